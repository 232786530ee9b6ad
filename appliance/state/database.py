"""The state file: one SQLite database, opened the same way everywhere, brought up to date by numbered migrations.

Promise: WAL with synchronous=FULL, so that what a transaction committed survives a power cut; each migration and the
record of it in one transaction. Times are stored as the documents write them; ledger times as milliseconds since 1970.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import resources
from pathlib import Path

from appliance.errors import StateDamaged, StateUnwritable

BUSY_SECONDS = 30.0

Connection = sqlite3.Connection
Row = sqlite3.Row
DatabaseFault = sqlite3.Error
DatabaseUnwritable = sqlite3.OperationalError


def open_database(file: Path) -> sqlite3.Connection:
    """A connection in autocommit mode; use `transaction` to write. Raises StateDamaged, StateUnwritable."""
    try:
        connection = sqlite3.connect(file, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(
            "PRAGMA secure_delete=ON"
        )  # what is replaced or deleted is overwritten, not left in the file
        _migrate(connection)
    except sqlite3.OperationalError as exc:
        raise StateUnwritable(f"The state database cannot be opened for writing: {exc}.", where=str(file)) from exc
    except sqlite3.DatabaseError as exc:
        raise StateDamaged(f"The state database is damaged: {exc}.", where=str(file)) from exc
    return connection


def is_damage(fault: sqlite3.Error) -> bool:
    """Whether the file itself is broken, as opposed to busy, full or not to be written."""
    return getattr(fault, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def damage_in(file: Path) -> str | None:
    """What `PRAGMA quick_check` finds first, on a connection of its own; None where the file is whole.

    It reads the whole file. What it cannot see is a changed value in an otherwise sound page: SQLite keeps no sums.
    """
    try:
        with closing(sqlite3.connect(file, timeout=BUSY_SECONDS)) as connection:
            found = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.OperationalError as exc:
        raise StateUnwritable(f"The state database cannot be checked: {exc}.", where=str(file)) from exc
    except sqlite3.DatabaseError as exc:
        return str(exc)
    return None if found == "ok" else found.splitlines()[-1]


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All of it or none of it. Takes the write lock at once, so that what was read inside cannot have gone stale.

    Within another transaction it is a part of that one.
    """
    if connection.in_transaction:
        yield connection
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def copy_database(connection: sqlite3.Connection, file: Path) -> None:
    """The database as at one moment, in a new private file, while others go on writing. Raises StateUnwritable."""
    file.unlink(missing_ok=True)
    try:
        file.touch(mode=0o600)
        with closing(sqlite3.connect(file)) as copy:
            connection.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
    except (OSError, sqlite3.OperationalError) as exc:
        raise StateUnwritable(f"The database cannot be copied: {exc}.", where=str(file)) from exc


def finished_segments(file: Path) -> set[str]:
    """The journal segments that a copied database has taken in to their end."""
    with closing(sqlite3.connect(file)) as copy:
        return {row[0] for row in copy.execute("SELECT name FROM segments WHERE finished")}


def _migrate(connection: sqlite3.Connection) -> None:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    migrations = _migrations()
    if version > migrations[-1][0]:
        raise StateDamaged(
            f"The state database was made by a newer release (schema {version}).",
            remedy="Run the release that made it, or a newer one.",
        )
    for number, script in migrations:
        if number > version:
            # executescript would commit first; the statements run one by one inside one transaction instead.
            with transaction(connection):
                if int(connection.execute("PRAGMA user_version").fetchone()[0]) >= number:
                    continue
                for statement in _statements(script):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number}")


def newest_schema() -> int:
    """The schema of the state that this release writes: the number of its last migration."""
    return _migrations()[-1][0]


def _migrations() -> list[tuple[int, str]]:
    folder = resources.files("appliance.state") / "migrations"
    scripts = sorted((each for each in folder.iterdir() if each.name.endswith(".sql")), key=lambda each: each.name)
    return [(int(each.name.split("_", 1)[0]), each.read_text(encoding="utf-8")) for each in scripts]


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
