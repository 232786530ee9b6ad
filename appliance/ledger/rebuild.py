"""A new database out of a damaged one, the copies of the sealed files, and the journal kept since the last receipt.

Promise: the damaged database is kept as it was found. The new one takes its place only when the site, its epoch and a
chain of files without a gap, each signed by this site's key, are in it; else nothing changes and LedgerLost says why.
An exchange that a sealed file counts is not counted again: so many as a file lacks are given to it, and of those that
may be meant the ones with which its sums are right. What could not be read is named.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations, count, islice
from pathlib import Path

from appliance.config.usage_part import LabelPolicy
from appliance.errors import LedgerLost
from appliance.ledger.copies import FOLDER, read_copies
from appliance.ledger.entry import Outcome
from appliance.ledger.redact import Redaction, Terms
from appliance.ledger.rows import milliseconds, rows, sealed_into
from appliance.ledger.salvage import salvage
from appliance.ledger.seal import NO_CONTRACT
from appliance.ledger.store import note, take_in
from appliance.state.database import open_database, transaction
from appliance.state.site_key import SiteKey
from licensing.document import format_time
from licensing.errors import Refusal
from licensing.strict_json import load_object
from licensing.usage import Counts, Row, Usage, open_usage

Connection = sqlite3.Connection
_WORK = 200_000
"""How many exchanges may be added up in looking for those that a file counted."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """`unreadable`: tables of which rows may be missing. `short`: files that have fewer exchanges than they count.
    `unproven`: files whose roots do not follow from their exchanges any more."""

    files: int
    entries: int
    from_journal: int
    unreadable: tuple[str, ...]
    short: tuple[int, ...]
    unproven: tuple[int, ...]
    kept: Path


def rebuild(database: Path, journal: Path, key: SiteKey, labels: LabelPolicy, now: datetime) -> Rebuilt:
    """Puts a new database in the place of a damaged one. Raises LedgerLost; then all is as it was."""
    kept = _unused(database.parent, f"damaged-{now:%Y%m%d%H%M%S}")
    new = database.with_suffix(".rebuilt")
    _set_aside(database, kept)
    for leftover in (new, *_beside(new)):
        leftover.unlink(missing_ok=True)
    db = open_database(new)
    try:
        db.execute("PRAGMA foreign_keys=OFF")
        with transaction(db):
            found = salvage(kept / database.name, db)
            epoch = _require_site(db)
            files = _chain(db, database.parent / FOLDER, key, epoch, labels)
            db.execute("DELETE FROM in_force WHERE NOT EXISTS (SELECT 1 FROM documents WHERE digest = in_force.digest)")
        taken = take_in(db, journal, now).entries
        with transaction(db):
            short = _give_to_files(db, files, key)
            unproven = tuple(each.seq for each in files if each.seq not in short and not _follows(db, each, key))
            unreadable = tuple(each.table for each in found if not each.whole)
            note(db, "database_rebuilt", _told(unreadable, short, unproven), now)
        entries = db.execute("SELECT COUNT(*) FROM ledger").fetchone()[0]
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except BaseException:
        db.close()
        shutil.rmtree(kept)
        raise
    db.close()
    for leftover in _beside(database):
        leftover.unlink(missing_ok=True)
    new.replace(database)
    return Rebuilt(len(files), entries, taken, unreadable, short, unproven, kept)


def _unused(folder: Path, stem: str) -> Path:
    names = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
    return next(folder / name for name in names if not (folder / name).exists())


def _set_aside(database: Path, kept: Path) -> None:
    kept.mkdir(mode=0o700)
    for file in (database, *_beside(database)):
        if file.exists():
            shutil.copy2(file, kept / file.name)


def _beside(database: Path) -> tuple[Path, Path]:
    return database.with_name(database.name + "-wal"), database.with_name(database.name + "-shm")


def _require_site(db: Connection) -> int:
    site = db.execute("SELECT epoch FROM site").fetchone()
    floor = db.execute("SELECT 1 FROM time_floor").fetchone()
    trust = db.execute("SELECT 1 FROM documents WHERE role = 'root'").fetchone()
    missing = [name for name, row in (("site", site), ("time floor", floor), ("trust", trust)) if row is None]
    if missing:
        raise LedgerLost(f"The database is damaged where it holds the {missing[0]}.")
    return int(site["epoch"])


def _chain(db: Connection, copies: Path, key: SiteKey, epoch: int, labels: LabelPolicy) -> list[Usage]:
    """The sealed files of this epoch, each as signed, without a gap; those that only the copies hold are put back."""
    files = {}
    for row in db.execute("SELECT seq, bytes FROM usage_files").fetchall():
        try:
            files[row["seq"]] = open_usage(bytes(row["bytes"]), key.public_key).claims
        except Refusal:
            db.execute("DELETE FROM usage_files WHERE seq = ?", (row["seq"],))
    for usage, digest, data in read_copies(copies, key.public_key):
        if usage.epoch == epoch and usage.seq not in files:
            files[usage.seq] = usage
            _put_back(db, usage, digest, data, labels)
    acknowledged = db.execute("SELECT MAX(seq) FROM receipts").fetchone()[0] or 0
    for seq in range(1, max([acknowledged, *files]) + 1 if files or acknowledged else 1):
        if seq not in files:
            raise LedgerLost(f"Usage file {seq} is neither in the database nor among its copies.", where=str(copies))
    return [files[seq] for seq in sorted(files)]


def _put_back(db: Connection, usage: Usage, digest: str, data: bytes, labels: LabelPolicy) -> None:
    db.execute(
        "INSERT INTO usage_files (seq, name, period_start, period_end, digest, bytes, sealed_at, terms) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            usage.seq,
            _free_name(db, f"usage-{usage.period.start:%Y-%m-%d}"),
            format_time(usage.period.start),
            format_time(usage.period.end),
            digest,
            data,
            format_time(usage.issued_at),
            Terms(labels, usage.licence or NO_CONTRACT).to_text(),
        ),
    )


def _free_name(db: Connection, stem: str) -> str:
    names = {row[0] for table in ("usage_files", "former_files") for row in db.execute(f"SELECT name FROM {table}")}  # noqa: S608 - own names
    numbers = (f"{stem}.{number}" if number > 1 else stem for number in count(1))
    return next(name for each in numbers if (name := f"{each}.signed.json") not in names)


def _give_to_files(db: Connection, files: Sequence[Usage], key: SiteKey) -> tuple[int, ...]:
    """Gives each file the exchanges that it counted and that came back without their file. Returns those left short."""
    short = []
    for usage in files:
        pruned = db.execute("SELECT pruned_at FROM usage_files WHERE seq = ?", (usage.seq,)).fetchone()["pruned_at"]
        there = db.execute("SELECT COUNT(*) FROM ledger WHERE seq = ?", (usage.seq,)).fetchone()[0]
        lacks = 0 if pruned else usage.tree.size - there
        if lacks > 0:
            candidates = _candidates(db, usage)
            _give(db, usage, candidates, lacks, key)
            if len(candidates) < lacks:
                short.append(usage.seq)
    return tuple(short)


def _candidates(db: Connection, usage: Usage) -> list[str]:
    """What the file may have counted, the likeliest first: what ended in its time; what ended before and came late;
    and, cut off by a crash that is noticed anew only now, what began before its end."""
    start, end = milliseconds(usage.period.start), milliseconds(usage.period.end)
    found = db.execute(
        "SELECT id FROM ledger WHERE seq IS NULL AND (ended_at < ?2 OR (outcome = ?3 AND started_at < ?2)) "
        "ORDER BY ended_at >= ?2, ended_at < ?1, ended_at",
        (start, end, Outcome.INTERRUPTED),
    )
    return [row["id"] for row in found]


def _give(db: Connection, usage: Usage, candidates: Sequence[str], lacks: int, key: SiteKey) -> None:
    """The likeliest ones with which the file adds up. Where there are too many ways, simply the likeliest."""
    tries = max(1, _WORK // max(1, usage.tree.size)) if len(candidates) > lacks else 1
    for chosen in islice(combinations(candidates, min(lacks, len(candidates))), tries):
        db.executemany("UPDATE ledger SET seq = ? WHERE id = ?", [(usage.seq, name) for name in chosen])
        if _counts(_rows_now(db, usage, key)) == _counts(usage.rows):
            return
        db.executemany("UPDATE ledger SET seq = NULL WHERE id = ?", [(name,) for name in chosen])
    db.executemany("UPDATE ledger SET seq = ? WHERE id = ?", [(usage.seq, name) for name in candidates[:lacks]])


def _counts(rows_: Sequence[Row]) -> dict[tuple[str, ...], Counts]:
    return {(row.org, row.team, row.key, row.model, row.provider): row.counts for row in rows_}


def _follows(db: Connection, usage: Usage, key: SiteKey) -> bool:
    """Whether the file's rows still follow from its exchanges, root by root."""
    pruned = db.execute("SELECT pruned_at FROM usage_files WHERE seq = ?", (usage.seq,)).fetchone()["pruned_at"]
    return bool(pruned) or _rows_now(db, usage, key) == usage.rows


def _rows_now(db: Connection, usage: Usage, key: SiteKey) -> tuple[Row, ...]:
    """The file's rows as they would be made of its exchanges now."""
    stored = db.execute("SELECT terms FROM usage_files WHERE seq = ?", (usage.seq,)).fetchone()["terms"]
    redaction = Redaction(Terms.from_members(load_object(stored.encode())), key.derive) if stored else None
    return tuple(rows(db, sealed_into(usage.seq), redaction))


def _told(unreadable: Sequence[str], short: Sequence[int], unproven: Sequence[int]) -> str:
    parts = ["the database was damaged and has been rebuilt from what could be read, sealed files and journal"]
    for what, which in (("not whole", unreadable), ("files short of exchanges", short), ("files unproven", unproven)):
        if which:
            parts.append(f"{what}: {', '.join(map(str, which))}")
    return "; ".join(parts)
