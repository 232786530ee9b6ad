"""The vendor's memory is one file of known shape, and history in it stays as it was."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from licensing.errors import Refusal
from licensing.vendor.errors import MemoryRefused
from licensing.vendor.memory import Memory
from licensing.vendor.memory_schema import MIGRATIONS
from tests.licensing.vendor.simulated_site import SimulatedSite
from tests.licensing.vendor.vendors_desk import VendorsDesk


@pytest.fixture
def database(desk: VendorsDesk, licensed: SimulatedSite) -> Iterator[sqlite3.Connection]:
    """The memory after a little of everything, opened behind the desk's back."""
    clone = licensed.clone()
    desk.sign(b"models: []\n")
    desk.take(licensed.seal())
    desk.take(clone.seal(rows=()))
    with closing(sqlite3.connect(desk.home.database, isolation_level=None)) as connection:
        yield connection


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("enrolments", "public"),
        ("licences", "document"),
        ("configs", "document"),
        ("usage_accepted", "document"),
        ("usage_evidence", "document"),
        ("receipts", "document"),
    ],
)
def test_history_is_neither_changed_nor_deleted(database: sqlite3.Connection, table: str, column: str) -> None:
    before = database.execute(f"SELECT * FROM {table}").fetchall()
    assert before
    for statement in (f"UPDATE {table} SET {column} = x'00'", f"DELETE FROM {table}"):
        with pytest.raises(sqlite3.IntegrityError, match="is history"):
            database.execute(statement)
    assert database.execute(f"SELECT * FROM {table}").fetchall() == before


def test_it_is_durable_and_its_owners_alone(desk: VendorsDesk) -> None:
    assert desk.home.database.stat().st_mode & 0o777 == 0o600
    with desk.home.memory() as memory, closing(sqlite3.connect(desk.home.database)) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert memory._db.execute("PRAGMA synchronous").fetchone() == (2,)
        assert memory._db.execute("PRAGMA foreign_keys").fetchone() == (1,)


def test_opening_it_again_changes_nothing(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    before = desk.contents()
    desk.home.memory().close()
    assert desk.contents() == before
    assert licensed.site == "plant-7"


def test_a_migration_that_fails_half_way_is_undone_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "vendor.db"
    Memory.create(path).close()
    with monkeypatch.context() as patched:
        broken = (*MIGRATIONS, ("CREATE TABLE more (x) STRICT", "CREATE TABLE sites (x)"))
        patched.setattr("licensing.vendor.memory_file.MIGRATIONS", broken)
        with pytest.raises(MemoryRefused):
            Memory(path)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'more'").fetchone() == (0,)
    with monkeypatch.context() as patched:
        patched.setattr(
            "licensing.vendor.memory_file.MIGRATIONS", (*MIGRATIONS, ("CREATE TABLE more (x TEXT) STRICT",))
        )
        Memory(path).close()


def test_a_memory_of_a_newer_release_is_left_alone(desk: VendorsDesk) -> None:
    with closing(sqlite3.connect(desk.home.database)) as database:
        database.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(MemoryRefused, match="this release knows"):
        desk.home.memory()


def test_what_is_no_memory_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as database:
        database.execute("CREATE TABLE t (x)")
        database.execute("PRAGMA user_version = 1")
        database.commit()
    (tmp_path / "emptied.db").touch()
    noise = tmp_path / "noise.db"
    noise.write_bytes(b"not a database at all" * 100)
    refusals: list[Refusal] = []
    for path in (other, noise, tmp_path / "emptied.db", tmp_path / "nowhere.db", tmp_path):
        with pytest.raises(MemoryRefused) as refused:
            Memory(path)
        refusals.append(refused.value)
    assert not (tmp_path / "nowhere.db").exists()
    assert (tmp_path / "emptied.db").stat().st_size == 0
    assert {refusal.exit_code for refusal in refusals} == {99}


def test_a_busy_memory_is_a_refusal(desk: VendorsDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("licensing.vendor.memory_file.BUSY_SECONDS", 0.05)
    with closing(sqlite3.connect(desk.home.database, isolation_level=None)) as other, desk.home.memory() as memory:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(MemoryRefused, match="locked"), memory.transaction():
            pass


def test_a_head_that_rotted_is_a_refusal(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    desk.take(licensed.seal())
    with closing(sqlite3.connect(desk.home.database, isolation_level=None)) as database:
        database.execute("DROP TRIGGER usage_accepted_keeps_update")
        database.execute("UPDATE usage_accepted SET document = x'00'")
    with pytest.raises(MemoryRefused, match="no longer readable"):
        desk.take(licensed.seal())
