"""One state and two releases: what the older one takes back is all that it knows, and the copy is the last resort."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from appliance.errors import StateDamaged
from appliance.state.database import newest_schema, open_database
from appliance.state.schema import RETURNS_TO, books_of, put_back, schema_of, snapshot, take_back

NEWER = newest_schema() + 1
MIGRATION = (
    "CREATE TABLE later (id INTEGER PRIMARY KEY)",
    "INSERT INTO later VALUES (1)",
    "ALTER TABLE orgs ADD COLUMN later TEXT NOT NULL DEFAULT 'x'",
    f"PRAGMA user_version = {NEWER}",
)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A database of this release, with an org."""
    file = tmp_path / "ao.db"
    file.touch(mode=0o600)
    with closing(open_database(file)) as database:
        database.execute("INSERT INTO orgs (name, created_at) VALUES ('before', '2027-01-01T00:00:00Z')")
    return file


def migrate(file: Path, *statements: str) -> None:
    """What a newer release does with it."""
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement)


def orgs(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as database:
        return [row[0] for row in database.execute("SELECT name FROM orgs ORDER BY rowid")]


def test_this_release_returns_no_further_than_it_knows() -> None:
    assert 1 <= RETURNS_TO <= newest_schema()


def test_asking_migrates_nothing(state: Path) -> None:
    migrate(state, "PRAGMA user_version = 3")
    assert schema_of(state) == books_of(state).schema == 3


def test_what_was_recorded_under_the_newer_release_is_taken_back(state: Path, tmp_path: Path) -> None:
    migrate(state, *MIGRATION, "INSERT INTO orgs VALUES ('between', '2027-01-02T00:00:00Z', 'y')")
    with pytest.raises(StateDamaged, match="newer release"):
        open_database(state)
    take_back(state, tmp_path / "kept.db")
    assert schema_of(state) == newest_schema()
    assert orgs(state) == ["before", "between"]
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert schema_of(tmp_path / "kept.db") == NEWER
    open_database(state).close()
    with closing(sqlite3.connect(state)) as database:
        assert database.execute("SELECT 1 FROM sqlite_master WHERE name = 'later'").fetchone() is None


def test_the_audit_trail_comes_back_whole_and_still_cannot_be_edited(state: Path, tmp_path: Path) -> None:
    migrate(
        state, "INSERT INTO audit VALUES (1, 'at', 'who', 'act', 'subject', NULL, NULL, '{}', 'p', 'd')", *MIGRATION
    )
    take_back(state, tmp_path / "kept.db")
    with closing(sqlite3.connect(state)) as database:
        assert database.execute("SELECT COUNT(*) FROM audit").fetchone()[0] == 1
        with pytest.raises(sqlite3.DatabaseError, match="only added to"):
            database.execute("DELETE FROM audit")


def test_a_state_of_this_release_is_left_alone(state: Path, tmp_path: Path) -> None:
    before = state.read_bytes()
    take_back(state, tmp_path / "kept.db")
    assert state.read_bytes() == before
    assert not (tmp_path / "kept.db").exists()


def test_where_a_column_is_gone_nothing_is_changed_and_the_copy_can_be_put_back(state: Path, tmp_path: Path) -> None:
    copied = snapshot(state, tmp_path / "copy.db")
    migrate(state, *MIGRATION, "ALTER TABLE orgs RENAME COLUMN created_at TO made_at")
    before = state.read_bytes()
    with pytest.raises(StateDamaged, match=r"no orgs\.created_at"):
        take_back(state, tmp_path / "kept.db")
    assert state.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["ao.db", "copy.db"]
    assert put_back(state, tmp_path / "copy.db", tmp_path / "kept.db") == copied
    assert orgs(state) == ["before"]
    assert schema_of(tmp_path / "kept.db") == NEWER


def test_a_damaged_database_gives_way_to_the_copy(state: Path, tmp_path: Path) -> None:
    copied = snapshot(state, tmp_path / "copy.db")
    state.write_bytes(b"not a database at all" * 400)
    with pytest.raises(StateDamaged):
        schema_of(state)
    assert put_back(state, tmp_path / "copy.db", tmp_path / "kept.db") == copied
    assert orgs(state) == ["before"]


def test_books_tell_whether_something_is_missing(state: Path) -> None:
    before = books_of(state)
    assert before.entries == before.files == 0
    assert before.chain == ""
