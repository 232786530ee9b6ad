"""Sealing: a period's entries become one signed usage file, once and for ever.

Promise: periods follow on without a gap and never cross a UTC midnight; a day with nothing has its file too. An
exchange belongs to the period that it ends in; one that reaches the ledger after its period was sealed goes into the
next and is told there as an anomaly. The file, the entries' membership and the registers are one transaction: a file
once sealed is a committed row, and exporting it again gives the same bytes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from appliance.ledger.entry import ERRORS, Outcome
from appliance.ledger.store import COLUMNS, moment
from appliance.state.database import transaction
from appliance.state.site import Site
from licensing.algorithms import digest
from licensing.document import format_time, parse_time
from licensing.envelope import parse, sign, to_json
from licensing.licence import Licence
from licensing.merkle import root_of
from licensing.ratchet import Floor
from licensing.strict_json import canonical, load_object
from licensing.usage import (
    Admission,
    Anomaly,
    ClockFacts,
    ClockStep,
    Counts,
    Latency,
    Period,
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

_ROW_KEY = ("org", "team", "key", "model", "provider")
_ANOMALIES_LIMIT = 100


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
    return last.period.end if last else site.created_at


def due_periods(start: datetime, now: datetime, grace: timedelta = MIDNIGHT_GRACE) -> Iterator[Period]:
    """The whole remainders of days that lie between `start` and `now`, oldest first (pure)."""
    while (midnight := _next_midnight(start)) + grace <= now:
        yield Period(start=start, end=midnight)
        start = midnight


def running_period(start: datetime, now: datetime) -> Period | None:
    """The period from `start` to this second, for closing a day early; None while it has no length (pure)."""
    end = now.replace(microsecond=0)
    return Period(start=start, end=end) if start < end <= _next_midnight(start) else None


def seal(site: Site, period: Period, licence: Licence | None, now: datetime) -> Sealed:
    """Seals one period: the one that follows the last file. The journal must have been taken in before."""
    with transaction(site.database) as db:
        last = last_sealed(db)
        previous = last_usage(last)
        usage = _usage(site, db, period, licence, last, previous, now)
        body = usage.to_bytes()
        envelope = sign(Usage.payload_type(), body, [site.key])
        data = to_json(envelope)
        name = _file_name(db, period)
        db.execute(
            "INSERT INTO usage_files VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                usage.seq,
                name,
                format_time(period.start),
                format_time(period.end),
                digest(body),
                data,
                format_time(now),
            ),
        )
        db.execute(
            "UPDATE ledger SET seq = ? WHERE seq IS NULL AND ended_at < ?", (usage.seq, _milliseconds(period.end))
        )
        db.execute("UPDATE anomalies SET seq = ? WHERE seq IS NULL AND at < ?", (usage.seq, format_time(period.end)))
    return Sealed(usage.seq, name, period, digest(body), data)


def last_usage(sealed: Sealed | None) -> Usage | None:
    """The claims of a file that this site sealed itself."""
    if sealed is None:
        return None
    return Usage.from_mapping(load_object(parse(sealed.data).body))


def _usage(
    site: Site,
    db: sqlite3.Connection,
    period: Period,
    licence: Licence | None,
    last: Sealed | None,
    previous: Usage | None,
    now: datetime,
) -> Usage:
    rows = tuple(_rows(db, period))
    deltas = totals_by_model(rows)
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
        rows=rows,
        deltas=deltas,
        registers=advance_registers(previous.registers if previous else {}, deltas),
        tree=tree_of(rows),
        previous=last.digest if last else None,
        admissions=_admissions(db, period),
        clock=_clock(site, db, period),
        runs=_runs(db, period),
        last_receipt=_receipt(db, receipt) if receipt else None,
        anomalies=_anomalies(db, period),
    )


def _rows(db: sqlite3.Connection, period: Period) -> Iterator[Row]:
    order = ", ".join(_ROW_KEY)
    entries = db.execute(
        f"SELECT {', '.join(COLUMNS)} FROM ledger WHERE seq IS NULL AND ended_at < ? "  # noqa: S608 - own names
        f"ORDER BY {order}, id",
        (_milliseconds(period.end),),
    )
    for labels, group in groupby(entries, key=lambda entry: tuple(entry[name] for name in _ROW_KEY)):
        yield _row(dict(zip(_ROW_KEY, labels, strict=True)), list(group))


def _row(labels: dict[str, str], entries: list[sqlite3.Row]) -> Row:
    latencies = sorted(entry["latency_ms"] for entry in entries)
    counts = Counts(
        requests=len(entries),
        errors=sum(entry["outcome"] in ERRORS for entry in entries),
        interrupted=sum(entry["outcome"] == Outcome.INTERRUPTED for entry in entries),
        **{
            name: sum(entry[name] for entry in entries)
            for name in (
                "prompt_tokens",
                "completion_tokens",
                "cached_tokens",
                "estimated_prompt_tokens",
                "estimated_completion_tokens",
            )
        },
    )
    return Row(
        **labels,
        counts=counts,
        latency_ms=Latency(
            p50=_percentile(latencies, 50), p95=_percentile(latencies, 95), p99=_percentile(latencies, 99)
        ),
        entries_root=root_of(entry_leaf(entry) for entry in entries),
    )


def entry_leaf(entry: sqlite3.Row) -> bytes:
    """The bytes of one exchange that the tree commits to: its ledger columns as canonical JSON."""
    values: dict[str, Any] = {name: entry[name] for name in COLUMNS}
    return canonical(values)


def _percentile(ordered: list[int], percent: int) -> int:
    """Nearest rank."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def _admissions(db: sqlite3.Connection, period: Period) -> tuple[Admission, ...]:
    rows = db.execute(
        "SELECT licence_serial, config_serial, COUNT(*) AS requests FROM ledger "
        "WHERE seq IS NULL AND ended_at < ? GROUP BY 1, 2 ORDER BY 1, 2",
        (_milliseconds(period.end),),
    )
    return tuple(Admission(**dict(row)) for row in rows)


def _clock(site: Site, db: sqlite3.Connection, period: Period) -> ClockFacts:
    steps = db.execute(
        "SELECT at, seconds FROM clock_steps WHERE at >= ? AND at < ? ORDER BY at",
        (format_time(period.start), format_time(period.end)),
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


def _anomalies(db: sqlite3.Connection, period: Period) -> tuple[Anomaly, ...]:
    noted = [
        Anomaly(code=row["code"], detail=row["detail"])
        for row in db.execute(
            "SELECT code, detail FROM anomalies WHERE seq IS NULL AND at < ? ORDER BY at LIMIT ?",
            (format_time(period.end), _ANOMALIES_LIMIT),
        )
    ]
    late = db.execute(
        "SELECT COUNT(*), MIN(ended_at) FROM ledger WHERE seq IS NULL AND ended_at < ?",
        (_milliseconds(period.start),),
    ).fetchone()
    if late[0]:
        noted.append(
            Anomaly(
                code="late_entries",
                detail=f"{late[0]} exchange(s) ended before this period, the first at "
                f"{format_time(moment(late[1]))}, and reached the ledger after their period was sealed",
            )
        )
    return tuple(noted)


def _file_name(db: sqlite3.Connection, period: Period) -> str:
    """usage-YYYY-MM-DD.signed.json; a day closed early has usage-YYYY-MM-DD.2.signed.json and so on."""
    day = period.start.strftime("%Y-%m-%d")
    earlier = db.execute(
        "SELECT COUNT(*) FROM usage_files WHERE name LIKE ?", (f"usage-{day}.%signed.json",)
    ).fetchone()[0]
    return f"usage-{day}.signed.json" if earlier == 0 else f"usage-{day}.{earlier + 1}.signed.json"


def _sealed_in(row: sqlite3.Row) -> Sealed:
    period = Period(start=parse_time(row["period_start"]), end=parse_time(row["period_end"]))
    return Sealed(row["seq"], row["name"], period, row["digest"], bytes(row["bytes"]))


def _next_midnight(moment_: datetime) -> datetime:
    return datetime(moment_.year, moment_.month, moment_.day, tzinfo=UTC) + timedelta(days=1)


def _milliseconds(moment_: datetime) -> int:
    return int(moment_.timestamp() * 1000)
