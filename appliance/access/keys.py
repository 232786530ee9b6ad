"""API keys: shown once, kept as a keyed hash, looked up by it.

Looking a key up by a keyed hash leaks nothing about it through timing: what is compared is a value that a caller cannot
steer without the site's secret.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from appliance.errors import KeyRefused, KeyUnknown
from appliance.state.database import Connection, Row, transaction
from licensing.document import format_time, parse_time

KEY_PREFIX = "ao-"
_SECRET_BYTES = 32
_VISIBLE = 8
_LABEL_LIMIT = 64


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key; never the key itself. `prefix` is the part that may be shown."""

    id: str
    prefix: str
    name: str
    org: str
    team: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def usable(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def state(self, now: datetime) -> str:
        if self.revoked_at is not None:
            return "revoked"
        return "active" if self.usable(now) else "expired"


@dataclass(frozen=True, slots=True, repr=False)
class NewKey:
    """A key just made, with its secret: to be shown once."""

    key: ApiKey
    secret: str


def hash_of(secret: bytes, hash_key: bytes) -> bytes:
    """The keyed hash under which a key is stored: BLAKE2b (RFC 7693), 32 bytes."""
    return hashlib.blake2b(secret, key=hash_key, digest_size=32).digest()


def create_key(
    database: Connection,
    *,
    hash_key: bytes,
    name: str,
    org: str,
    team: str,
    expires_at: datetime | None,
    now: datetime,
    entropy: bytes,
) -> NewKey:
    """Makes a key from 32 random bytes. Raises KeyRefused for unusable labels or an expiry in the past."""
    for label, value in (("name", name), ("org", org), ("team", team)):
        if not 0 < len(value) <= _LABEL_LIMIT or not value.isprintable():
            raise KeyRefused(f"The {label} must have 1 to {_LABEL_LIMIT} printable characters.", where=f"--{label}")
    if expires_at is not None and expires_at <= now:
        raise KeyRefused("The key would have expired already.", where="--expires")
    if len(entropy) != _SECRET_BYTES:
        raise ValueError("32 bytes of entropy are needed")
    secret = KEY_PREFIX + base64.urlsafe_b64encode(entropy).decode().rstrip("=")
    hashed = hash_of(secret.encode(), hash_key)
    key = ApiKey(
        "key_" + hashed.hex()[:12], secret[: len(KEY_PREFIX) + _VISIBLE], name, org, team, now, expires_at, None
    )
    with transaction(database) as db:
        db.execute(
            "INSERT INTO api_keys VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)",
            (
                key.id,
                key.prefix,
                hashed,
                name,
                org,
                team,
                format_time(now),
                format_time(expires_at) if expires_at else None,
            ),
        )
    return NewKey(key, secret)


def list_keys(database: Connection) -> list[ApiKey]:
    rows = database.execute("SELECT * FROM api_keys ORDER BY created_at, id").fetchall()
    return [_key_in(row) for row in rows]


def keys_by_hash(database: Connection) -> Mapping[bytes, ApiKey]:
    """Every key, by its keyed hash: what a worker looks callers up in."""
    return {bytes(row["hash"]): _key_in(row) for row in database.execute("SELECT * FROM api_keys")}


def revoke_key(database: Connection, name_or_id: str, now: datetime) -> tuple[ApiKey, bool]:
    """Revokes the key of that id, prefix or (unambiguous) name for good. Raises KeyUnknown, KeyRefused.

    The second member says whether anything changed: revoking twice is harmless.
    """
    with transaction(database) as db:
        found = find_key(database, name_or_id)
        if found.revoked_at is not None:
            return found, False
        db.execute("UPDATE api_keys SET revoked_at = ? WHERE id = ?", (format_time(now), found.id))
        row = db.execute("SELECT * FROM api_keys WHERE id = ?", (found.id,)).fetchone()
    return _key_in(row), True


def find_key(database: Connection, name_or_id: str) -> ApiKey:
    """The key of that id, prefix or name; among those of one name the live one. Raises KeyUnknown, KeyRefused."""
    name_or_id = name_or_id.removesuffix("…")
    rows = database.execute(
        "SELECT * FROM api_keys WHERE id = ?1 OR prefix = ?1 OR name = ?1 ORDER BY revoked_at IS NOT NULL",
        (name_or_id,),
    ).fetchall()
    # An id names one key, whatever another key may be called.
    rows = [row for row in rows if row["id"] == name_or_id] or rows
    live = [row for row in rows if row["revoked_at"] is None]
    if not rows:
        raise KeyUnknown(f"There is no API key {name_or_id[:64]!r}.")
    if len(live) > 1:
        raise KeyRefused(f"{len(live)} keys are called {name_or_id[:64]!r}; name one by its id.")
    return _key_in(rows[0])


def _key_in(row: Row) -> ApiKey:
    return ApiKey(
        row["id"],
        row["prefix"],
        row["name"],
        row["org"],
        row["team"],
        parse_time(row["created_at"]),
        parse_time(row["expires_at"]) if row["expires_at"] else None,
        parse_time(row["revoked_at"]) if row["revoked_at"] else None,
    )
