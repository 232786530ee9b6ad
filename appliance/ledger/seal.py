"""Sealing: a period's entries become one signed usage file, once and for ever.

Promise: periods follow on without a gap and never cross a UTC midnight; a day with nothing has its file too. An
exchange belongs to the period that it ends in; one that reaches the ledger after its period was sealed goes into the
next and is told there as an anomaly; so is one stamped by a clock that ran far ahead and was put right. The file, the
entries' membership and the registers are one transaction: a file once sealed is a committed row, and exporting it again
gives the same bytes. While the rows are being added up nobody else seals or takes in, and nobody who writes is kept
waiting.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from appliance.config.usage_part import LabelPolicy
from appliance.ledger.redact import Redaction, Terms
from appliance.ledger.rows import FUTURE, Chosen, admissions, milliseconds, rows, unsealed
from appliance.ledger.store import alone, moment
from appliance.state.database import transaction
from appliance.state.outgoing import enqueue
from appliance.state.site import Site
from licensing.algorithms import digest
from licensing.document import EARLIEST_YEAR, format_time, parse_time
from licensing.envelope import parse, sign, to_json
from licensing.licence import Licence
from licensing.ratchet import Floor
from licensing.strict_json import load_object
from licensing.usage import (
    Admission,
    Anomaly,
    ClockFacts,
    ClockStep,
    Period,
    Predecessor,
    ReceiptNamed,
    Row,
    Run,
    Usage,
    advance_registers,
    totals_by_model,
    tree_of,
)

MIDNIGHT_GRACE = timedelta(minutes=5)
"""How long after midnight a day is left open, so that the last entries of its last seconds are in the ledger."""

NO_CONTRACT = "none"
_ANOMALIES_LIMIT = 100
_DEAD_CLOCK = (f"{EARLIEST_YEAR}-01-01T00:00:00Z",)
"""A step to before this cannot be written as a time of a document."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """One usage file: its committed bytes, and the digest of its body."""

    seq: int
    name: str
    period: Period
    digest: str
    data: bytes


def sealed_files(database: sqlite3.Connection, after_seq: int = 0) -> list[Sealed]:
    rows = database.execute("SELECT * FROM usage_files WHERE seq > ? ORDER BY seq", (after_seq,)).fetchall()
    return [_sealed_in(row) for row in rows]


def last_sealed(database: sqlite3.Connection) -> Sealed | None:
    row = database.execute("SELECT * FROM usage_files ORDER BY seq DESC LIMIT 1").fetchone()
    return _sealed_in(row) if row else None


def open_since(site: Site) -> datetime:
    """Where the period that is open now started: at the last file's end, or when this epoch began."""
    last = last_sealed(site.database)
    return last.period.end if last else began(site.database) or site.created_at


def _restored_before_any_file(site: Site) -> datetime | None:
    """The first file of a restored epoch brings along all that came with the backup, whatever day that ended in."""
    row = site.database.execute("SELECT restored_at FROM predecessor").fetchone()
    return parse_time(row["restored_at"]) if row and last_sealed(site.database) is None else None


def began(database: sqlite3.Connection) -> datetime | None:
    """Where a restored site's first period starts: where the last one in the backup ended."""
    row = database.execute("SELECT period_end FROM predecessor").fetchone()
    return parse_time(row["period_end"]) if row else None


def due_periods(start: datetime, now: datetime, grace: timedelta = MIDNIGHT_GRACE) -> Iterator[Period]:
    """The whole remainders of days that lie between `start` and `now`, oldest first (pure)."""
    while (midnight := _next_midnight(start)) + grace <= now:
        yield Period(start=start, end=midnight)
        start = midnight


def running_period(start: datetime, now: datetime) -> Period | None:
    """The period from `start` to this second, for closing a day early; None while it has no length (pure)."""
    end = now.replace(microsecond=0)
    return Period(start=start, end=end) if start < end <= _next_midnight(start) else None


def seal(
    site: Site, period: Period, licence: Licence | None, now: datetime, labels: LabelPolicy | None = None
) -> Sealed | None:
    """Seals one period: the one that follows the last file. The journal must have been taken in before.

    None where somebody else has sealed it meanwhile.
    """
    terms = Terms(labels or LabelPolicy(), licence.licence if licence else NO_CONTRACT)
    with alone(site.journal_folder):
        if open_since(site) != period.start:
            return None
        chosen = unsealed(max(period.end, _restored_before_any_file(site) or period.end), now)
        counted = _Counted(
            tuple(rows(site.database, chosen, Redaction(terms, site.key.derive))),
            admissions(site.database, chosen),
            tuple(_out_of_time(site.database, period, now)),
        )
        with transaction(site.database) as db:
            usage = _usage(site, db, period, licence, counted, now)
            return _commit(site, db, usage, terms, chosen, now)


@dataclass(frozen=True, slots=True)
class _Counted:
    """What was added up before the file could be made."""

    rows: tuple[Row, ...]
    admissions: tuple[Admission, ...]
    out_of_time: tuple[Anomaly, ...]


def _commit(site: Site, db: sqlite3.Connection, usage: Usage, terms: Terms, chosen: Chosen, now: datetime) -> Sealed:
    body, period = usage.to_bytes(), usage.period
    sealed = Sealed(
        usage.seq,
        _file_name(db, period),
        period,
        digest(body),
        to_json(sign(Usage.payload_type(), body, [site.key])),
    )
    db.execute(
        "INSERT INTO usage_files (seq, name, period_start, period_end, digest, bytes, sealed_at, terms) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            sealed.seq,
            sealed.name,
            format_time(period.start),
            format_time(period.end),
            sealed.digest,
            sealed.data,
            format_time(now),
            terms.to_text(),
        ),
    )
    told = {"seq": sealed.seq, "period_end": format_time(period.end), "digest": sealed.digest}
    enqueue(db, "usage.sealed", told, now)
    db.execute(
        f"UPDATE ledger SET seq = ? WHERE {chosen.where}",  # noqa: S608 - own condition
        (sealed.seq, *chosen.bound),
    )
    for noted in ("anomalies", "clock_steps"):
        db.execute(
            f"UPDATE {noted} SET seq = ? WHERE seq IS NULL AND at < ?",  # noqa: S608 - own names
            (sealed.seq, format_time(period.end)),
        )
    return sealed


def last_usage(sealed: Sealed | None) -> Usage | None:
    """The claims of a file that this site sealed itself."""
    if sealed is None:
        return None
    return Usage.from_mapping(load_object(parse(sealed.data).body))


def _usage(
    site: Site, db: sqlite3.Connection, period: Period, licence: Licence | None, counted: _Counted, now: datetime
) -> Usage:
    last = last_sealed(db)
    previous = last_usage(last)
    deltas = totals_by_model(counted.rows)
    config = site.in_force("config")
    receipt = site.in_force("receipt")
    seq = last.seq + 1 if last else 1
    return Usage(
        schema_version=1,
        serial=seq,
        issued_at=now.replace(microsecond=0),
        site=site.id,
        epoch=site.epoch,
        licence=licence.licence if licence else None,
        licence_serial=licence.serial if licence else None,
        config_serial=config.serial if config else None,
        seq=seq,
        period=period,
        rows=counted.rows,
        deltas=deltas,
        registers=advance_registers(previous.registers if previous else {}, deltas),
        tree=tree_of(counted.rows),
        previous=last.digest if last else None,
        predecessor=None if last else _predecessor(db),
        admissions=counted.admissions,
        clock=_clock(site, db, period),
        runs=_runs(db, period),
        last_receipt=_receipt(db, receipt) if receipt else None,
        anomalies=(*_anomalies(db, period), *counted.out_of_time),
    )


def _predecessor(db: sqlite3.Connection) -> Predecessor | None:
    """Where the epoch before ended in the backup that this site was restored from."""
    row = db.execute("SELECT epoch, seq, digest FROM predecessor").fetchone()
    if row is None:
        return None
    file = db.execute(
        "SELECT bytes FROM former_files WHERE epoch = ? AND seq = ?", (row["epoch"], row["seq"])
    ).fetchone()
    registers = Usage.from_mapping(load_object(parse(bytes(file["bytes"])).body)).registers if file else {}
    return Predecessor(epoch=row["epoch"], seq=row["seq"], head=row["digest"], registers=registers)


def _clock(site: Site, db: sqlite3.Connection, period: Period) -> ClockFacts:
    steps = db.execute(
        # One that set the clock back into a day that is sealed is told in the next file.
        "SELECT at, seconds FROM clock_steps WHERE seq IS NULL AND at >= ? AND at < ? ORDER BY at",
        (*_DEAD_CLOCK, format_time(period.end)),
    )
    return ClockFacts(
        floor=site.time_floor().at,
        steps=tuple(ClockStep(at=parse_time(row["at"]), seconds=row["seconds"]) for row in steps),
    )


def _runs(db: sqlite3.Connection, period: Period) -> tuple[Run, ...]:
    rows = db.execute(
        "SELECT started, stopped FROM runs WHERE started < ?2 AND (stopped IS NULL OR stopped >= ?1) ORDER BY id",
        (format_time(period.start), format_time(period.end)),
    )
    return tuple(
        Run(started=parse_time(row["started"]), stopped=parse_time(row["stopped"]) if row["stopped"] else None)
        for row in rows
    )


def _receipt(db: sqlite3.Connection, receipt: Floor) -> ReceiptNamed | None:
    row = db.execute(
        "SELECT seq, digest FROM receipts WHERE key_epoch = ? AND serial = ?", (receipt.key_epoch, receipt.serial)
    ).fetchone()
    return ReceiptNamed(seq=row["seq"], digest=row["digest"]) if row else None


def _anomalies(db: sqlite3.Connection, period: Period) -> Iterator[Anomaly]:
    noted = db.execute(
        "SELECT code, detail FROM anomalies WHERE seq IS NULL AND at < ? ORDER BY at", (format_time(period.end),)
    ).fetchall()
    for row in noted[:_ANOMALIES_LIMIT]:
        yield Anomaly(code=row["code"], detail=row["detail"])
    if (more := len(noted) - _ANOMALIES_LIMIT) > 0:
        yield Anomaly(code="more_anomalies", detail=f"{more} more of this period are not listed here")
    for row in db.execute("SELECT at, seconds FROM clock_steps WHERE seq IS NULL AND at < ? ORDER BY at", _DEAD_CLOCK):
        yield Anomaly(code="clock_step", detail=f"the clock was set by {row['seconds']} s, to {row['at']}")


def _out_of_time(db: sqlite3.Connection, period: Period, now: datetime) -> Iterator[Anomaly]:
    """Exchanges of other times that this file must bring along."""
    count, first = db.execute(
        "SELECT COUNT(*), MIN(ended_at) FROM ledger WHERE seq IS NULL AND ended_at < ?", (milliseconds(period.start),)
    ).fetchone()
    if count:
        yield Anomaly(
            code="late_entries",
            detail=f"{count} exchange(s) ended before this period, the first at "
            f"{format_time(moment(first))}, and reached the ledger after their period was sealed",
        )
    count, last = db.execute(
        "SELECT COUNT(*), MAX(ended_at) FROM ledger WHERE seq IS NULL AND ended_at > ?", (milliseconds(now + FUTURE),)
    ).fetchone()
    if count:
        yield Anomaly(
            code="future_entries",
            detail=f"{count} exchange(s) were stamped by a clock that ran ahead, the last {format_time(moment(last))}",
        )


def _file_name(db: sqlite3.Connection, period: Period) -> str:
    """usage-YYYY-MM-DD.signed.json; a day closed early has usage-YYYY-MM-DD.2.signed.json and so on."""
    day = period.start.strftime("%Y-%m-%d")
    earlier = db.execute(
        "SELECT COUNT(*) FROM (SELECT name FROM usage_files UNION ALL SELECT name FROM former_files) WHERE name LIKE ?",
        (f"usage-{day}.%signed.json",),
    ).fetchone()[0]
    return f"usage-{day}.signed.json" if earlier == 0 else f"usage-{day}.{earlier + 1}.signed.json"


def _sealed_in(row: sqlite3.Row) -> Sealed:
    period = Period(start=parse_time(row["period_start"]), end=parse_time(row["period_end"]))
    return Sealed(row["seq"], row["name"], period, row["digest"], bytes(row["bytes"]))


def _next_midnight(moment_: datetime) -> datetime:
    return datetime(moment_.year, moment_.month, moment_.day, tzinfo=UTC) + timedelta(days=1)
