"""Refused sign-ins as they are counted: for whom, from where, in a bounded number of rows.

Names and addresses that anybody can make up are counted in buckets chosen by a keyed hash, so that no flood of them
fills the database, and unknown names are counted exactly as known ones are. Whoever comes from where that administrator
has signed in before is counted by themselves: a stranger who keeps failing holds strangers back, not them.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Final

from appliance.access.backoff import FORGOTTEN_AFTER, held_until, still_counted
from appliance.access.keys import Address
from appliance.state.database import Connection
from licensing.document import format_time, parse_time

BUCKETS: Final = 4096
KNOWN_FOR: Final = timedelta(days=90)
KNOWN_AT_MOST: Final = 16


@dataclass(frozen=True, slots=True)
class Origin:
    """From where somebody signs in or calls. `told` is for people; no address: the unix socket."""

    told: str
    address: Address | None = None

    @property
    def source(self) -> str:
        """What attempts are counted by: an IPv6 address has its network's 64 bits, since one host has them all."""
        mapped = getattr(self.address, "ipv4_mapped", None) or self.address
        if mapped is None:
            return self.told
        return str(mapped) if mapped.version == 4 else str(ip_network(f"{mapped}/64", strict=False))


def is_known(db: Connection, name: str, origin: Origin, now: datetime) -> bool:
    row = db.execute(
        "SELECT last_at FROM known_sources WHERE administrator = ? AND source = ?", (name, origin.source)
    ).fetchone()
    return row is not None and now - parse_time(row["last_at"]) < KNOWN_FOR


def note_known(db: Connection, name: str, origin: Origin, now: datetime) -> None:
    db.execute("INSERT OR REPLACE INTO known_sources VALUES (?, ?, ?)", (name, origin.source, format_time(now)))
    db.execute(
        "DELETE FROM known_sources WHERE administrator = ?1 AND source NOT IN (SELECT source FROM known_sources"
        " WHERE administrator = ?1 ORDER BY last_at DESC LIMIT ?2)",
        (name, KNOWN_AT_MOST),
    )


def buckets(key: bytes, name: str, origin: Origin, *, known: bool) -> tuple[str, ...]:
    """What an attempt counts for."""
    if known:
        return (f"here:{name}:{origin.source}",)
    return (f"name:{_bucket(key, 'name', name)}", f"from:{_bucket(key, 'from', origin.source)}")


def held(db: Connection, counted: tuple[str, ...], now: datetime) -> datetime:
    """Until when no attempt is looked at; `now` or earlier: one is."""
    rows = [_row(db, each) for each in counted]
    return max((held_until(still_counted(*row, now), row[1], now) for row in rows if row), default=now)


def count(db: Connection, counted: tuple[str, ...], now: datetime) -> int:
    """Counts an attempt as refused before it is looked at, so that many at once are no way around. Gives the most that
    any of them has now."""
    db.execute("DELETE FROM sign_in_failures WHERE last_at < ?", (format_time(now - FORGOTTEN_AFTER),))
    most = 0
    for each in counted:
        row = _row(db, each)
        failures = (still_counted(*row, now) if row else 0) + 1
        db.execute("INSERT OR REPLACE INTO sign_in_failures VALUES (?, ?, ?)", (each, failures, format_time(now)))
        most = max(most, failures)
    return most


def forget(db: Connection, counted: tuple[str, ...]) -> None:
    db.executemany("DELETE FROM sign_in_failures WHERE bucket = ?", [(each,) for each in counted])


def forget_administrator(db: Connection, key: bytes, name: str) -> None:
    """All that holds this administrator back, wherever they come from."""
    db.execute("DELETE FROM sign_in_failures WHERE bucket = ?", (f"name:{_bucket(key, 'name', name)}",))
    start = f"here:{name}:"
    db.execute("DELETE FROM sign_in_failures WHERE substr(bucket, 1, ?) = ?", (len(start), start))


def _row(db: Connection, bucket: str) -> tuple[int, datetime] | None:
    row = db.execute("SELECT failures, last_at FROM sign_in_failures WHERE bucket = ?", (bucket,)).fetchone()
    return (row["failures"], parse_time(row["last_at"])) if row else None


def _bucket(key: bytes, kind: str, text: str) -> int:
    mac = hmac.digest(key, f"{kind}\n{text}".encode("utf-8", "replace"), "sha256")
    return int.from_bytes(mac[:8], "big") % BUCKETS
