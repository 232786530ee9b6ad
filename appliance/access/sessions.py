"""Administrators' sessions: a random token, kept as a keyed hash, that ends by itself.

The token is made at sign-in and never taken from outside, so none can be planted before. It is bound to no address,
which behind a NAT would change. A clock that is put back ends a session rather than lengthen it.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from appliance.access.keys import hash_of
from appliance.errors import SessionUnknown
from appliance.state.database import Connection, Row
from licensing.document import format_time, parse_time

PREFIX: Final = "aos_"
SECRET_BYTES: Final = 32
IDLE: Final = timedelta(minutes=30)
LONGEST: Final = timedelta(hours=12)
AT_MOST: Final = 16
"""Of one administrator at once; the one that was seen longest ago gives way."""

NOTED_EVERY: Final = timedelta(minutes=1)
_PUT_BACK: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Session:
    """`source` is where it was begun from."""

    id: str
    administrator: str
    started_at: datetime
    seen_at: datetime
    source: str

    @property
    def ends_at(self) -> datetime:
        return min(self.started_at + LONGEST, self.seen_at + IDLE)

    def lasts(self, now: datetime) -> bool:
        return self.seen_at - _PUT_BACK <= now < self.ends_at


def begin(
    db: Connection, hash_key: bytes, administrator: str, source: str, now: datetime, entropy: bytes
) -> tuple[Session, str]:
    """The session, and its token to be told once."""
    if len(entropy) != SECRET_BYTES:
        raise ValueError(f"{SECRET_BYTES} bytes of entropy are needed")
    token = PREFIX + base64.urlsafe_b64encode(entropy).decode().rstrip("=")
    hashed = hash_of(token.encode(), hash_key)
    session = Session("ses_" + hashed.hex()[:12], administrator, now, now, source)
    at = format_time(now)
    db.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?)", (session.id, hashed, administrator, at, at, source))
    return session, token


def find_by_token(db: Connection, hash_key: bytes, token: str) -> Session | None:
    row = db.execute("SELECT * FROM sessions WHERE hash = ?", (hash_of(token.encode(), hash_key),)).fetchone()
    return _in(row) if row else None


def find(db: Connection, name: str) -> Session:
    """Raises SessionUnknown."""
    row = db.execute("SELECT * FROM sessions WHERE id = ?", (name,)).fetchone()
    if row is None:
        raise SessionUnknown(f"There is no session {name[:64]!r}.")
    return _in(row)


def list_all(db: Connection, administrator: str | None = None) -> list[Session]:
    """The one that was seen last comes last."""
    rows = db.execute("SELECT * FROM sessions ORDER BY seen_at, started_at, id").fetchall()
    return [_in(row) for row in rows if administrator in (None, row["administrator"])]


def note_seen(db: Connection, session: Session, now: datetime) -> None:
    db.execute("UPDATE sessions SET seen_at = MAX(seen_at, ?) WHERE id = ?", (format_time(now), session.id))


def end(db: Connection, session: Session) -> bool:
    """Whether it was still there."""
    return db.execute("DELETE FROM sessions WHERE id = ?", (session.id,)).rowcount == 1


def _in(row: Row) -> Session:
    return Session(
        row["id"], row["administrator"], parse_time(row["started_at"]), parse_time(row["seen_at"]), row["source"]
    )
