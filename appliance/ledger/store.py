"""From the journal into the ledger, exactly once.

Promise: the rows of a piece of journal and the mark of how far it was read are one transaction, so that a crash at any
moment neither loses nor doubles an exchange; an exchange's id is the ledger's primary key besides. What a dead worker
left open becomes an entry of its own. Only one process takes in at a time; others wait their turn.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from appliance.access.keys import note_use
from appliance.access.spent import Use, note_spent
from appliance.errors import StateDamaged
from appliance.ledger.entry import Begun, Entry, interrupted
from appliance.ledger.journal import left_open, mentioned, read_from, segments, successors, writer_is_dead
from appliance.state.database import transaction
from licensing.document import format_time

_NUMBER_LIMIT = 2**50
_DETAIL_LIMIT = 500
_LAST_MOMENT = 253_402_300_800_000
"""The end of the year 9999, in milliseconds: later than that a time has no name."""
COLUMNS = tuple(name for name in Entry.__struct_fields__ if name != "cost")
_INSERT = (
    f"INSERT OR IGNORE INTO ledger ({', '.join(COLUMNS)}) "  # noqa: S608 - column names are this module's own
    f"VALUES ({', '.join('?' * len(COLUMNS))})"
)


@dataclass(frozen=True, slots=True)
class Taken:
    """`entries` newly in the ledger, `interrupted` of them made up from beginnings, `damaged` lines skipped."""

    entries: int = 0
    interrupted: int = 0
    damaged: int = 0

    def __add__(self, other: Taken) -> Taken:
        return Taken(self.entries + other.entries, self.interrupted + other.interrupted, self.damaged + other.damaged)


Watcher = Callable[[Sequence[Entry]], None]
"""Is told, once, of entries that have come into the ledger."""


def take_in(
    database: sqlite3.Connection, folder: Path, now: datetime, *, taken: Watcher = lambda _entries: None
) -> Taken:
    """Brings the ledger up to date with every segment of the journal, and tells `taken` what came in."""
    total = Taken()
    with alone(folder):
        done = {row["name"]: row for row in database.execute("SELECT name, taken, finished FROM segments")}
        for segment in segments(folder):
            mark = done.get(segment.name)
            if mark is None or not mark["finished"]:
                total += _take_what_can_be_read(database, segment, mark["taken"] if mark else 0, now, taken)
    return total


def _take_what_can_be_read(
    database: sqlite3.Connection, segment: Path, offset: int, now: datetime, taken: Watcher
) -> Taken:
    """A segment on a bad spot of the disk is told of and tried again each time; the others are not kept waiting."""
    try:
        return _take_segment(database, segment, offset, now, taken)
    except FileNotFoundError:  # made and given up again by its writer in between
        return Taken()
    except OSError as exc:
        detail = f"journal segment {segment.name} cannot be read: {exc.strerror}"
        with transaction(database) as db:
            if not db.execute("SELECT 1 FROM anomalies WHERE detail = ?", (detail,)).fetchone():
                note(db, "journal_unreadable", detail, now)
        return Taken()


def _take_segment(database: sqlite3.Connection, segment: Path, offset: int, now: datetime, taken: Watcher) -> Taken:
    # Asked before reading: a writer that is dead now has written its last line already.
    dead = writer_is_dead(segment)
    total = Taken()
    while (piece := read_from(segment, offset)).upto > offset:
        with transaction(database) as db:
            inserted, odd = _insert(db, piece.entries)
            damaged = piece.damaged + odd
            _mark(db, segment.name, piece.upto, finished=False)
            _note_damage(db, segment, damaged, now)
        taken(piece.entries)
        total += Taken(inserted, 0, damaged)
        offset = piece.upto
    return total + _finish(database, segment, offset, now, taken) if dead else total


def _finish(database: sqlite3.Connection, segment: Path, offset: int, now: datetime, taken: Watcher) -> Taken:
    noticed_at = int(now.timestamp() * 1000)
    cut_off = [interrupted(begun, noticed_at) for begun in _nowhere_else(segment, left_open(segment))]
    # Less than what was taken already is no loss: a power cut took what the ledger has.
    torn = segment.stat().st_size > offset
    with transaction(database) as db:
        inserted, _ = _insert(db, cut_off)
        _note_damage(db, segment, 1 if torn else 0, now)
        _mark(db, segment.name, offset, finished=True)
    taken(cut_off)
    return Taken(inserted, inserted, 1 if torn else 0)


def _nowhere_else(segment: Path, opened: Iterable[Begun]) -> list[Begun]:
    """Without those that the same writer went on with in a later segment, after a disk fault in this one."""
    cut_off = {each.id: each for each in opened}
    for later in successors(segment) if cut_off else ():
        for name in mentioned(later, cut_off.keys()):
            del cut_off[name]
    return list(cut_off.values())


def _insert(db: sqlite3.Connection, entries: Sequence[Entry]) -> tuple[int, int]:
    """How many came in, and how many could not: with numbers that no exchange has, which must not stop the others."""
    rows = [(entry, msgspec.structs.astuple(entry)) for entry in entries]
    sane = [(entry, row) for entry, row in rows if _is_sane(row)]
    fresh = [entry for entry, row in sane if db.execute(_INSERT, row[: len(COLUMNS)]).rowcount]
    uses: dict[str, int] = {}
    for entry in entries:
        if entry.ended_at < _LAST_MOMENT:
            uses[entry.key] = max(entry.ended_at, uses.get(entry.key, 0))
    note_use(db, uses)
    note_spent(db, [_use(entry) for entry in fresh])
    return len(fresh), len(entries) - len(sane)


def _use(entry: Entry) -> Use:
    estimated = entry.estimated_prompt_tokens + entry.estimated_completion_tokens
    tokens = entry.prompt_tokens + entry.completion_tokens + estimated
    return Use(entry.ended_at, entry.org, entry.team, entry.key, tokens, entry.cost)


def _is_sane(row: tuple[object, ...]) -> bool:
    numbers = [value for value in row if isinstance(value, int)]
    return min(numbers) >= 0 and max(numbers) < _NUMBER_LIMIT


def _mark(db: sqlite3.Connection, name: str, taken: int, *, finished: bool) -> None:
    db.execute(
        "INSERT INTO segments VALUES (?1, ?2, ?3) ON CONFLICT (name) DO UPDATE SET taken = ?2, finished = ?3",
        (name, taken, finished),
    )


def _note_damage(db: sqlite3.Connection, segment: Path, damaged: int, now: datetime) -> None:
    if damaged:
        detail = f"{damaged} line(s) of journal segment {segment.name} could not be read and were left out"
        note(db, "journal_damaged", detail, now)


def note(db: sqlite3.Connection, code: str, detail: str, now: datetime) -> None:
    """Something that the next usage file will tell the vendor."""
    db.execute("INSERT INTO anomalies VALUES (?, ?, ?, NULL)", (format_time(now), code, detail[:_DETAIL_LIMIT]))


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """While this is held, nobody takes anything into the ledger, and nobody seals."""
    try:
        descriptor = os.open(folder / ".taking-in", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as exc:
        raise StateDamaged(f"The journal folder cannot be used: {exc.strerror}.", where=str(folder)) from exc
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def prune(database: sqlite3.Connection, folder: Path, before: datetime) -> int:
    """Removes finished segments last written before that time: all they held is in the ledger and acknowledged."""
    finished = {row["name"] for row in database.execute("SELECT name FROM segments WHERE finished")}
    old = [
        segment
        for segment in segments(folder)
        if segment.name in finished and segment.stat().st_mtime < before.timestamp()
    ]
    for segment in old:
        segment.unlink()
    return len(old)


def drop_entries(database: sqlite3.Connection, acknowledged: int, before: datetime) -> int:
    """Deletes the exchanges of acknowledged files whose period ended before that time, a file at a time."""
    old = database.execute(
        "SELECT seq FROM usage_files WHERE pruned_at IS NULL AND seq <= ? AND period_end < ? ORDER BY seq",
        (acknowledged, format_time(before)),
    ).fetchall()
    dropped = 0
    for row in old:
        with transaction(database) as db:
            dropped += db.execute("DELETE FROM ledger WHERE seq = ?", (row["seq"],)).rowcount
            db.execute("UPDATE usage_files SET pruned_at = ? WHERE seq = ?", (format_time(before), row["seq"]))
    return dropped
