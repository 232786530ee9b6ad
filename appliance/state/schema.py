"""One state and two releases: a copy before a migration, and the way back to the release before.

Promise: what an older release takes back is every row of every table it knows, from the database that the newer one
wrote, so that no exchange, sealed file, key or audit entry of the time in between is lost. The newer database is kept
beside it. Nothing is replaced before the new file is whole, checked and on the disk; a run that is cut off changes
nothing. Where that cannot be, the copy from before is put back, and the journal, which no release deletes before
the vendor has acknowledged it, brings every exchange since into it again.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import StateDamaged, StateUnwritable
from appliance.state.database import BUSY_SECONDS, copy_database, damage_in, newest_schema, open_database

RETURNS_TO = 6
"""The oldest schema whose every column still means in this release's schema what it meant there. A migration that only
adds leaves this number as it is; one that changes, renames or drops what is there raises it to its own number."""


@dataclass(frozen=True, slots=True)
class Books:
    """What must not become less: exchanges in the ledger, their tokens, and the chain of sealed files."""

    schema: int
    entries: int
    tokens: int
    files: int
    chain: str


@dataclass(frozen=True, slots=True)
class Missing:
    """What a copy from before holds and the state does not, or not as it was. Exchanges that were dropped when their
    retention was over are not missing: their file says so."""

    exchanges: int
    files: int
    audit: int

    def __bool__(self) -> bool:
        return bool(self.exchanges or self.files or self.audit)


def schema_of(file: Path) -> int:
    """The schema of a database, which is not migrated by asking. Raises StateDamaged."""
    with closing(_as_it_is(file)) as connection:
        try:
            return int(connection.execute("PRAGMA user_version").fetchone()[0])
        except sqlite3.DatabaseError as exc:
            raise StateDamaged(f"The state database is damaged: {exc}.", where=str(file)) from exc


def books_of(file: Path) -> Books:
    """Counts, without migrating; `chain` is the digest of the last sealed file."""
    with closing(_as_it_is(file)) as connection:
        try:
            schema = int(connection.execute("PRAGMA user_version").fetchone()[0])
            entries, tokens = connection.execute(
                "SELECT COUNT(*), COALESCE(SUM(prompt_tokens + completion_tokens), 0) FROM ledger"
            ).fetchone()
            count = int(connection.execute("SELECT COUNT(*) FROM usage_files").fetchone()[0])
            row = connection.execute("SELECT digest FROM usage_files ORDER BY seq DESC LIMIT 1").fetchone()
        except sqlite3.DatabaseError as exc:
            raise StateDamaged(f"The state database is damaged: {exc}.", where=str(file)) from exc
    return Books(schema, int(entries), int(tokens), count, str(row[0]) if row else "")


def missing_from(file: Path, copy: Path) -> Missing:
    """Held against each other row by row: exchanges with their tokens, sealed files and audit entries by digest.

    Raises StateDamaged where one of the two cannot be read.
    """
    with closing(_as_it_is(file)) as connection:
        schema_of(copy)
        try:
            connection.execute("ATTACH DATABASE ? AS copy", (f"{copy.absolute().as_uri()}?mode=ro",))
            counts = [int(connection.execute(each).fetchone()[0]) for each in _MISSING]
        except sqlite3.DatabaseError as exc:
            raise StateDamaged(f"The state cannot be compared with its copy: {exc}.", where=str(copy)) from exc
    return Missing(*counts)


_MISSING = (
    "SELECT COUNT(*) FROM copy.ledger AS old LEFT JOIN main.ledger AS new USING (id) "
    "WHERE (new.prompt_tokens IS NOT old.prompt_tokens OR new.completion_tokens IS NOT old.completion_tokens) "
    "AND NOT EXISTS (SELECT 1 FROM main.usage_files AS file WHERE file.pruned_at IS NOT NULL AND (file.seq = old.seq "
    "OR strftime('%Y-%m-%dT%H:%M:%SZ', old.ended_at / 1000, 'unixepoch') <= file.period_end))",
    "SELECT COUNT(*) FROM copy.usage_files AS old LEFT JOIN main.usage_files AS new USING (seq) "
    "WHERE new.digest IS NOT old.digest",
    "SELECT COUNT(*) FROM copy.audit AS old LEFT JOIN main.audit AS new USING (seq) WHERE new.digest IS NOT old.digest",
)


def snapshot(file: Path, copy: Path) -> Books:
    """A whole, checked copy of the database under the name `copy`, as it is: not migrated. Raises StateUnwritable."""
    fresh = copy.with_name(f".{copy.name}.unfinished")
    with closing(_as_it_is(file)) as connection:
        copy_database(connection, fresh)
    _require_whole(fresh)
    _put(fresh, copy)
    return books_of(copy)


def take_back(file: Path, kept: Path) -> Books:
    """Makes the database of a newer release one of this release's schema; the newer one is kept as `kept`.

    Harmless where the schema is this release's already. Raises StateDamaged where something that this release needs is
    not there any more; then everything is as it was.
    """
    if schema_of(file) <= newest_schema():
        return books_of(file)
    fresh = file.with_name(f".{file.name}.taking-back")
    _drop(fresh)
    try:
        with closing(_as_it_is(file)) as newer:
            newer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        fresh.touch(mode=0o600)
        with closing(open_database(fresh)) as older:
            _copy_rows(older, file)
            older.execute("PRAGMA journal_mode=DELETE")
        _require_whole(fresh)
        _swap(fresh, file, kept)
    except sqlite3.DatabaseError as exc:
        raise StateDamaged(f"The state cannot be taken back: {exc}.", where=str(file)) from exc
    finally:
        _drop(fresh)
    return books_of(file)


def put_back(file: Path, copy: Path, kept: Path) -> Books:
    """Puts a snapshot in the database's place, which is kept as `kept`. The journal brings in what came since."""
    fresh = file.with_name(f".{file.name}.putting-back")
    _drop(fresh)
    try:
        with closing(_as_it_is(copy)) as connection:
            copy_database(connection, fresh)
        _require_whole(fresh)
        _swap(fresh, file, kept)
    finally:
        _drop(fresh)
    return books_of(file)


def _copy_rows(older: sqlite3.Connection, newer: Path) -> None:
    older.execute("PRAGMA foreign_keys=OFF")
    older.execute("ATTACH DATABASE ? AS newer", (str(newer),))
    older.execute("BEGIN IMMEDIATE")
    for (table,) in older.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
        columns = _columns(older, "main", table)
        missing = [each for each in columns if each not in _columns(older, "newer", table)]
        if missing:
            older.execute("ROLLBACK")
            raise StateDamaged(f"The newer release's database has no {table}.{missing[0]}.", where=str(newer))
        names = ", ".join(f'"{each}"' for each in columns)
        older.execute(f'DELETE FROM main."{table}"')  # noqa: S608 - names of this release's own tables
        older.execute(f'INSERT INTO main."{table}" ({names}) SELECT {names} FROM newer."{table}"')  # noqa: S608
    broken = older.execute("PRAGMA main.foreign_key_check").fetchone()
    older.execute("ROLLBACK" if broken else "COMMIT")
    if broken:
        raise StateDamaged(f"Rows of the newer release's {broken[0]} do not fit this one's.", where=str(newer))
    older.execute("DETACH DATABASE newer")


def _columns(connection: sqlite3.Connection, schema: str, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f'PRAGMA {schema}.table_info("{table}")')]


def _swap(fresh: Path, file: Path, kept: Path) -> None:
    """The rename is the moment of change. The database that was there has its bytes in one file before."""
    with closing(_as_it_is(file)) as connection, suppress(sqlite3.DatabaseError):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    found = file.stat()
    os.chown(fresh, found.st_uid, found.st_gid)
    kept.unlink(missing_ok=True)
    os.link(file, kept)
    # What belongs to the database that goes would be taken for the other one's.
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    _put(fresh, file)


def _put(fresh: Path, file: Path) -> None:
    try:
        with fresh.open("rb") as opened:
            os.fsync(opened.fileno())
        fresh.rename(file)
        folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as exc:
        raise StateUnwritable(f"The database cannot be put in its place: {exc.strerror}.", where=str(file)) from exc


def _require_whole(file: Path) -> None:
    found = damage_in(file)
    if found is not None:
        raise StateDamaged(f"The copy of the database is not whole: {found}.", where=str(file))


def _drop(file: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)


def _as_it_is(file: Path) -> sqlite3.Connection:
    """A connection that migrates nothing."""
    if not file.is_file():
        raise StateDamaged("There is no database of this name.", where=str(file))
    try:
        return sqlite3.connect(file.absolute().as_uri(), timeout=BUSY_SECONDS, isolation_level=None, uri=True)
    except sqlite3.DatabaseError as exc:
        raise StateDamaged(f"The database cannot be opened: {exc}.", where=str(file)) from exc
