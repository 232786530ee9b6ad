"""From a period's exchanges to the rows of its usage file, one exchange at a time.

Promise: memory does not grow with the number of exchanges but for eight bytes each (their latencies); the order of
leaves is that of their ids within a row, and of the rows by the labels that leave.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import msgspec

from appliance.ledger.entry import ERRORS, Outcome
from appliance.ledger.redact import LABELS, Redaction
from appliance.ledger.store import COLUMNS
from licensing.merkle import Tree
from licensing.usage import Admission, Counts, Latency, Row

FUTURE = timedelta(hours=1)
"""An exchange that ended so much later than now was stamped by a clock that has been put right since."""

_SUMMED = (
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
    "estimated_prompt_tokens",
    "estimated_completion_tokens",
)
_encode = msgspec.json.Encoder(order="sorted").encode
"""The bytes of `licensing.strict_json.canonical`, five times as fast; a test holds the one against the other."""

_PLACES = {name: place for place, name in enumerate(COLUMNS)}
_LABEL_PLACES = tuple(_PLACES[name] for name in LABELS)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which exchanges a file is about, as a condition of the ledger: those still unsealed that ended before its end,
    and those of a future that cannot be; or those sealed into it."""

    where: str
    bound: tuple[int, ...]


def unsealed(end: datetime, now: datetime) -> Chosen:
    return Chosen("seq IS NULL AND (ended_at < ? OR ended_at > ?)", (milliseconds(end), milliseconds(now + FUTURE)))


def sealed_into(seq: int) -> Chosen:
    return Chosen("seq = ?", (seq,))


@dataclass(slots=True)
class _Sums:
    """A row in the making."""

    requests: int = 0
    errors: int = 0
    interrupted: int = 0
    tokens: list[int] = field(default_factory=lambda: [0] * len(_SUMMED))
    latencies: array[int] = field(default_factory=lambda: array("q"))
    tree: Tree = field(default_factory=Tree)

    def add(self, entry: dict[str, Any], leaf: bytes) -> None:
        self.requests += 1
        self.errors += entry["outcome"] in ERRORS
        self.interrupted += entry["outcome"] == Outcome.INTERRUPTED
        for place, name in enumerate(_SUMMED):
            self.tokens[place] += entry[name]
        self.latencies.append(entry["latency_ms"])
        self.tree.add(leaf)

    def row(self, labels: tuple[str, ...]) -> Row:
        ordered = sorted(self.latencies)
        return Row(
            **dict(zip(LABELS, labels, strict=True)),
            counts=Counts(
                requests=self.requests,
                errors=self.errors,
                interrupted=self.interrupted,
                **dict(zip(_SUMMED, self.tokens, strict=True)),
            ),
            latency_ms=Latency(
                p50=_percentile(ordered, 50), p95=_percentile(ordered, 95), p99=_percentile(ordered, 99)
            ),
            entries_root="sha256:" + self.tree.root().hex(),
        )


def rows(db: sqlite3.Connection, chosen: Chosen, redaction: Redaction | None) -> Iterator[Row]:
    """The rows over the chosen exchanges. `redaction`: None for files from before there was any."""
    for labels, entries in rows_of_leaves(db, chosen, redaction):
        sums = _Sums()
        for entry in entries:
            sums.add(entry, leaf_of(entry))
        yield sums.row(labels)


def rows_of_leaves(
    db: sqlite3.Connection, chosen: Chosen, redaction: Redaction | None
) -> Iterator[tuple[tuple[str, ...], Iterator[dict[str, Any]]]]:
    """For each row its labels and, in their order, its exchanges as they leave."""
    number_of = _number_rows(db, chosen, redaction)
    named = ", ".join(f"ledger.{name}" for name in COLUMNS)
    join = " AND ".join(f"ledger.{name} = row_of.{name}" for name in LABELS)
    found = db.cursor()
    found.row_factory = None
    found.execute(
        f"SELECT row_of.number, {named} FROM ledger JOIN row_of ON {join} "  # noqa: S608 - own names
        f"WHERE {chosen.where} ORDER BY row_of.number, ledger.id",
        chosen.bound,
    )
    for number, group in groupby(found, key=lambda line: line[0]):
        labels = number_of[number]
        yield labels, (_leaving(line[1:], labels, redaction) for line in group)
    db.execute("DROP TABLE row_of")


def leaf_of(entry: dict[str, Any]) -> bytes:
    """The bytes of one exchange that the tree commits to."""
    return _encode(entry)


def _number_rows(db: sqlite3.Connection, chosen: Chosen, redaction: Redaction | None) -> list[tuple[str, ...]]:
    """Numbers the rows by the labels that leave; names that leave alike share one."""
    true = [
        tuple(line)
        for line in db.execute(f"SELECT DISTINCT {', '.join(LABELS)} FROM ledger WHERE {chosen.where}", chosen.bound)  # noqa: S608 - own names
    ]
    leaving = {each: redaction.labels(each) if redaction else each for each in true}
    ordered = sorted(set(leaving.values()))
    place = {each: number for number, each in enumerate(ordered)}
    db.execute("DROP TABLE IF EXISTS temp.row_of")
    db.execute(
        f"CREATE TEMP TABLE row_of ({', '.join(LABELS)}, number, PRIMARY KEY ({', '.join(LABELS)})) WITHOUT ROWID"
    )
    db.executemany("INSERT INTO row_of VALUES (?, ?, ?, ?, ?, ?)", [(*each, place[leaving[each]]) for each in true])
    return ordered


def _leaving(line: tuple[Any, ...], labels: tuple[str, ...], redaction: Redaction | None) -> dict[str, Any]:
    entry = dict(zip(COLUMNS, line, strict=True))
    if redaction is not None:
        entry.update(zip(LABELS, labels, strict=True))
        entry["salt"] = redaction.salt(entry["id"])
    return entry


def admissions(db: sqlite3.Connection, chosen: Chosen) -> tuple[Admission, ...]:
    """Under which licences and configs the chosen exchanges were let in."""
    found = db.execute(
        "SELECT licence_serial, config_serial, COUNT(*) AS requests FROM ledger "  # noqa: S608 - own condition
        f"WHERE {chosen.where} GROUP BY 1, 2 ORDER BY 1, 2",
        chosen.bound,
    )
    return tuple(Admission(**dict(row)) for row in found)


def _percentile(ordered: list[int], percent: int) -> int:
    """Nearest rank."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
