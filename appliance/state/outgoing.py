"""The queue of events on their way to webhooks: in the state file, so that what was told of is sent, at least once.

Promise: `enqueue` within an act's own transaction tells of the act exactly when it happened. Most events need not even
that: they follow from the audit trail, whose entries are turned into events here, each once (`fan_out`). An event for
an address leaves the queue when the address has taken it, or goes to the dead letters, which a command shows and sends
again. The order is that of the events.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any

from appliance.observe.audit import Entry, entries
from appliance.state.database import Connection, Row, transaction
from licensing.document import format_time

QUEUE_LIMIT = 50_000
"""Events waiting for one address; what comes then goes to its dead letters at once."""

DEAD_DAYS = 30
DEAD_LIMIT = 10_000
DOWN = "down: "
"""How a failure is told that was the address's, and not the event's."""

LONGEST_WAIT_SECONDS = 3600.0
_BATCH = 500
_SAID_LIMIT = 200

Data = Mapping[str, Any]
FromAudit = Callable[[Entry], tuple[str, Data] | None]
"""The event that an audit entry makes, if any."""


@dataclass(frozen=True, slots=True)
class Wanting:
    """An address by its name, and which events it wants (patterns)."""

    name: str
    events: tuple[str, ...]

    def wants(self, event: str) -> bool:
        return any(fnmatchcase(event, pattern) for pattern in self.events)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one address. `said` is why the last attempt was none; times in seconds since 1970."""

    seq: int
    address: str
    id: str
    event: str
    body: str
    made_at: float
    due_at: float
    attempts: int
    said: str | None
    dead_at: float | None


def enqueue(db: Connection, event: str, data: Data, now: datetime) -> None:
    """Tells of something that is no act in the audit trail. To be called inside the transaction of what happened."""
    db.execute(
        "INSERT INTO outgoing (at, event, data) VALUES (?, ?, ?)",
        (format_time(now), event, json.dumps(data, separators=(",", ":"), ensure_ascii=True)),
    )


def enqueue_once(db: Connection, name: str, until: float, event: str, data: Data, now: datetime) -> bool:
    """The same, once until then (seconds since 1970). Whether it was the first time."""
    with transaction(db):
        db.execute("DELETE FROM told_once WHERE until <= ?", (now.timestamp(),))
        fresh = db.execute("INSERT OR IGNORE INTO told_once VALUES (?, ?)", (name, until)).rowcount > 0
        if fresh:
            enqueue(db, event, data, now)
    return fresh


def fan_out(db: Connection, site: str, epoch: int, wanting: Sequence[Wanting], of: FromAudit, now: datetime) -> int:
    """Gives what was told of since the last time to the addresses that want it. How many events there were."""
    if not _anything_new(db):
        return 0
    with transaction(db):
        mark = _mark(db)
        acts = list(islice(entries(db, mark), _BATCH))
        told = db.execute("SELECT * FROM outgoing ORDER BY seq LIMIT ?", (_BATCH,)).fetchall()
        for act in acts:
            if (made := of(act)) is not None:
                _put(db, wanting, f"{epoch}-a{act.seq}", act.at, made[0], made[1], site, now)
        for row in told:
            data = json.loads(row["data"])
            _put(db, wanting, f"{epoch}-e{row['seq']}", row["at"], row["event"], data, site, now)
        if acts:
            db.execute("INSERT OR REPLACE INTO outgoing_mark VALUES (1, ?)", (acts[-1].seq,))
        if told:
            db.execute("DELETE FROM outgoing WHERE seq <= ?", (told[-1]["seq"],))
    return len(acts) + len(told)


def put_test(db: Connection, address: str, body_id: str, site: str, now: datetime) -> str:
    """An event `webhook.test` for one address only. Its id."""
    _put(db, [Wanting(address, ("*",))], body_id, format_time(now), "webhook.test", {"address": address}, site, now)
    return body_id


def _anything_new(db: Connection) -> bool:
    row = db.execute(
        "SELECT EXISTS (SELECT 1 FROM outgoing) OR "
        "COALESCE((SELECT MAX(seq) FROM audit), 0) > COALESCE((SELECT audit_seq FROM outgoing_mark), -1)"
    ).fetchone()
    return bool(row[0])


def _mark(db: Connection) -> int:
    """How far the trail was read. A site that never told anybody, or was rebuilt, does not begin with its past."""
    row = db.execute("SELECT audit_seq FROM outgoing_mark").fetchone()
    if row is None:
        row = db.execute("SELECT COALESCE(MAX(seq), 0) FROM audit").fetchone()
        db.execute("INSERT INTO outgoing_mark VALUES (1, ?)", (row[0],))
    return int(row[0])


def _put(
    db: Connection, wanting: Iterable[Wanting], id_: str, at: str, event: str, data: Data, site: str, now: datetime
) -> None:
    body = json.dumps({"id": id_, "event": event, "at": at, "site": site, "data": data}, separators=(",", ":"))
    for each in wanting:
        if each.wants(event):
            waiting = db.execute(
                "SELECT COUNT(*) FROM deliveries WHERE address = ? AND dead_at IS NULL", (each.name,)
            ).fetchone()[0]
            dead, said = (now.timestamp(), "the queue is full") if waiting >= QUEUE_LIMIT else (None, None)
            db.execute(
                "INSERT OR IGNORE INTO deliveries (address, id, event, body, made_at, due_at, dead_at, said) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (each.name, id_, event, body, now.timestamp(), now.timestamp(), dead, said),
            )


def next_due(db: Connection, address: str, now: float) -> Delivery | None:
    """What an address is to be sent now: the oldest that is due, and nothing while it rests after it was down.

    A time further ahead than any wait is one of a clock that was set back since: it is over.
    """
    ahead = now + LONGEST_WAIT_SECONDS
    resting = db.execute(
        "SELECT 1 FROM deliveries WHERE address = ? AND dead_at IS NULL AND due_at > ? AND due_at <= ? AND said LIKE ?",
        (address, now, ahead, f"{DOWN}%"),
    ).fetchone()
    if resting:
        return None
    row = db.execute(
        "SELECT * FROM deliveries WHERE address = ? AND dead_at IS NULL AND (due_at <= ? OR due_at > ?) "
        "ORDER BY seq LIMIT 1",
        (address, now, ahead),
    ).fetchone()
    return _delivery(row) if row else None


def delivered(db: Connection, seq: int) -> None:
    db.execute("DELETE FROM deliveries WHERE seq = ?", (seq,))


def failed(db: Connection, seq: int, said: str, due_at: float, dead_at: float | None) -> None:
    """Notes an attempt that was none; `dead_at`: it was the last."""
    db.execute(
        "UPDATE deliveries SET attempts = attempts + 1, said = ?, due_at = ?, dead_at = ? WHERE seq = ?",
        (said[:_SAID_LIMIT], due_at, dead_at, seq),
    )


def queue(db: Connection, *, dead: bool) -> list[Delivery]:
    """What waits, or the dead letters."""
    which = "NOT NULL" if dead else "NULL"
    rows = db.execute(f"SELECT * FROM deliveries WHERE dead_at IS {which} ORDER BY seq LIMIT 10000")  # noqa: S608
    return [_delivery(row) for row in rows]


def retry(db: Connection, ids: Iterable[str] | None, now: float) -> int:
    """Brings dead letters (all of them, or those of these events) back, and makes what waits due now. How many."""
    alive = (
        "UPDATE deliveries SET due_at = ?1, dead_at = NULL, "
        "made_at = CASE WHEN dead_at IS NULL THEN made_at ELSE ?1 END"
    )
    with transaction(db):
        if ids is None:
            return db.execute(alive, (now,)).rowcount
        return sum(db.execute(f"{alive} WHERE id = ?2", (now, each)).rowcount for each in ids)


def give_up_and_forget(db: Connection, configured: Mapping[str, float], now: float) -> int:
    """Sends what has waited for longer than its address allows (seconds; of one that is no longer configured: at once)
    to the dead letters, and forgets the oldest of these. How many were given up."""
    given_up = 0
    with transaction(db):
        for row in db.execute("SELECT DISTINCT address FROM deliveries WHERE dead_at IS NULL").fetchall():
            keep = configured.get(row["address"])
            said = "no such address in the config" if keep is None else "given up"
            given_up += db.execute(
                "UPDATE deliveries SET dead_at = ?1, said = ?2 || COALESCE('; last: ' || said, '') "
                "WHERE address = ?3 AND dead_at IS NULL AND made_at <= ?4",
                (now, said, row["address"], now if keep is None else now - keep),
            ).rowcount
        db.execute("DELETE FROM deliveries WHERE dead_at <= ?", (now - DEAD_DAYS * 86_400,))
        db.execute(
            "DELETE FROM deliveries WHERE dead_at IS NOT NULL AND seq NOT IN "
            "(SELECT seq FROM deliveries WHERE dead_at IS NOT NULL ORDER BY seq DESC LIMIT ?)",
            (DEAD_LIMIT,),
        )
    return given_up


def _delivery(row: Row) -> Delivery:
    return Delivery(**{name: row[name] for name in Delivery.__slots__})
