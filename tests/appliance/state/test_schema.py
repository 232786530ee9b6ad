"""One state and two releases: what the older one takes back is all that it knows, and the copy is the last resort."""

from __future__ import annotations

import re
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from appliance.errors import StateDamaged
from appliance.state import database
from appliance.state.database import newest_schema, open_database
from appliance.state.schema import (
    RETURNS_TO,
    Missing,
    books_of,
    missing_from,
    put_back,
    schema_of,
    snapshot,
    take_back,
)

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
    with closing(open_database(file)) as connection:
        connection.execute("INSERT INTO orgs (name, created_at) VALUES ('before', '2027-01-01T00:00:00Z')")
    return file


def migrate(file: Path, *statements: str) -> None:
    """What a newer release does with it."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def orgs(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return [row[0] for row in connection.execute("SELECT name FROM orgs ORDER BY rowid")]


ADDS = re.compile(r"CREATE (?:TABLE|(?:UNIQUE )?INDEX) \w+")
REVIEWED: frozenset[str] = frozenset()
"""Statements that add a column which an older release may pass over without letting anything through that the newer one
would not: none so far. A pause, an expiry, a cap that is a column is none of these."""


def test_the_oldest_schema_to_return_to_is_that_of_the_last_migration_that_does_more_than_add() -> None:
    """Or is known to add what an older release may pass over."""
    changing = [
        number
        for number, script in database._migrations()
        for statement in map(bare, database._statements(script))
        if not ADDS.match(statement) and statement not in REVIEWED
    ]
    assert max(changing) == RETURNS_TO


def bare(statement: str) -> str:
    """Without comments, on one line."""
    return " ".join(re.sub(r"--[^\n]*", "", statement).split())


@pytest.mark.parametrize("older", range(RETURNS_TO, newest_schema()))
def test_every_row_that_an_older_release_knows_is_taken_back_by_it(
    older: int, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a database with a row in each table, by a release that has the first so many migrations alone."""
    fill(state)
    newer = rows(state)
    known = [each for each in database._migrations() if each[0] <= older]
    monkeypatch.setattr(database, "_migrations", lambda: known)
    take_back(state, tmp_path / "kept.db")
    assert schema_of(state) == older
    taken = rows(state)
    assert taken == {table: newer[table] for table in taken}
    assert all(taken.values())
    assert len(taken) < len(newer)


def fill(file: Path) -> None:
    """Every text is the same, so that whatever refers to another row finds it."""
    values = {"TEXT": "a", "INTEGER": 1, "BLOB": b"a", "REAL": 1.0}
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for table in tables(connection):
            columns = connection.execute(f'PRAGMA table_info("{table}")').fetchall()
            row = [values[each[2]] for each in columns]
            connection.execute(f'INSERT OR REPLACE INTO "{table}" VALUES ({", ".join("?" * len(row))})', row)


def rows(file: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(file)) as connection:
        return {table: connection.execute(f'SELECT * FROM "{table}"').fetchall() for table in tables(connection)}


def tables(connection: sqlite3.Connection) -> list[str]:
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return [row[0] for row in found]


def test_what_is_missing_of_a_copy_is_counted_row_by_row(state: Path, tmp_path: Path) -> None:
    fill(state)
    snapshot(state, tmp_path / "copy.db")
    assert not missing_from(state, tmp_path / "copy.db")
    migrate(state, "DROP TRIGGER audit_is_not_shortened", "DELETE FROM audit", "UPDATE usage_files SET digest = 'b'")
    migrate(state, "UPDATE usage_files SET pruned_at = NULL", "UPDATE ledger SET prompt_tokens = 0")
    assert missing_from(state, tmp_path / "copy.db") == Missing(exchanges=1, files=1, audit=1)
    migrate(state, "DELETE FROM ledger", "INSERT INTO orgs VALUES ('more', '2027-01-01T00:00:00Z')")
    assert missing_from(state, tmp_path / "copy.db") == Missing(exchanges=1, files=1, audit=1)


def test_exchanges_whose_retention_is_over_are_not_missing(state: Path, tmp_path: Path) -> None:
    fill(state)
    migrate(state, "UPDATE usage_files SET pruned_at = NULL", "UPDATE ledger SET seq = NULL")
    snapshot(state, tmp_path / "copy.db")
    migrate(state, "DELETE FROM ledger")
    assert missing_from(state, tmp_path / "copy.db").exchanges == 1
    migrate(state, "UPDATE usage_files SET period_end = '1970-01-02T00:00:00Z', pruned_at = '2027-01-01T00:00:00Z'")
    assert missing_from(state, tmp_path / "copy.db").exchanges == 0


def test_a_copy_that_is_none_is_told_of(state: Path, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_bytes(b"not a database at all" * 400)
    with pytest.raises(StateDamaged):
        missing_from(state, tmp_path / "copy.db")


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
    with closing(sqlite3.connect(state)) as connection:
        assert connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'later'").fetchone() is None


def test_the_audit_trail_comes_back_whole_and_still_cannot_be_edited(state: Path, tmp_path: Path) -> None:
    migrate(
        state, "INSERT INTO audit VALUES (1, 'at', 'who', 'act', 'subject', NULL, NULL, '{}', 'p', 'd')", *MIGRATION
    )
    take_back(state, tmp_path / "kept.db")
    with closing(sqlite3.connect(state)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM audit").fetchone()[0] == 1
        with pytest.raises(sqlite3.DatabaseError, match="only added to"):
            connection.execute("DELETE FROM audit")


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
