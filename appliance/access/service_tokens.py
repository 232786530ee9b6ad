"""Service tokens: what a program administers with. Shown once, kept as a keyed hash, narrow from the start.

A token holds permissions within one scope, perhaps only from some networks and until some day. One that an
administrator made does at most what that administrator may still do: when they lose a role or are disabled, so is it.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_network
from typing import Final

from appliance.access.authorise import Grant, Permission, Principal, Scope
from appliance.access.keys import Network, hash_of
from appliance.errors import TokenRefused, TokenUnknown
from appliance.state.database import Connection, Row
from licensing.document import format_time, parse_time

PREFIX: Final = "aot_"
ACTS_AS: Final = "token:"
"""What the audit trail calls one, before its name."""

SECRET_BYTES: Final = 32
NEVER: Final = frozenset({Permission.ADMINISTRATORS_WRITE})
"""What no token holds: it would be a way to make others that outlive it."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,63}")


@dataclass(frozen=True, slots=True)
class ServiceToken:
    """`created_by` is empty where it was made at the host; `signed`: each call must be signed as well."""

    id: str
    name: str
    permissions: frozenset[Permission]
    within: Scope
    networks: tuple[Network, ...] | None
    signed: bool
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None
    used_from: str | None

    def state(self, now: datetime) -> str:
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and now >= self.expires_at else "active"


def principal_of(token: ServiceToken, maker: Principal | None, source: str) -> Principal:
    """What it may do (pure). `maker` is who made it as they are now; None: it was made at the host."""
    held = token.permissions - NEVER
    if maker is not None:
        held = frozenset(each for each in held if maker.may(each, token.within))
    return Principal(ACTS_AS + token.name, (Grant(held, token.within),), source)


def create(db: Connection, hash_key: bytes, token: ServiceToken, entropy: bytes) -> tuple[ServiceToken, str]:
    """Stores it under the hash of a new secret; gives it with its id, and the secret. Raises TokenRefused."""
    if len(entropy) != SECRET_BYTES:
        raise ValueError(f"{SECRET_BYTES} bytes of entropy are needed")
    if not _NAME.fullmatch(token.name):
        raise TokenRefused("A token's name has 2 to 64 lower-case letters, digits and . _ -", where="--name")
    if not token.permissions or token.permissions & NEVER:
        never = ", ".join(each.value for each in NEVER)
        raise TokenRefused(f"A token holds at least one permission, and never {never}.", where="--permission")
    if token.expires_at is not None and token.expires_at <= token.created_at:
        raise TokenRefused("The token would have expired already.", where="--expires")
    if any(each.name == token.name and each.revoked_at is None for each in list_all(db)):
        raise TokenRefused(f"There is a token {token.name!r} already; revoke it first.", where="--name")
    secret = PREFIX + base64.urlsafe_b64encode(entropy).decode().rstrip("=")
    hashed = hash_of(secret.encode(), hash_key)
    name = "tok_" + hashed.hex()[:12]
    db.execute(
        "INSERT INTO service_tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL)",
        (
            name,
            hashed,
            token.name,
            json.dumps(sorted(each.value for each in token.permissions)),
            token.within.org or "",
            token.within.team or "",
            None if token.networks is None else json.dumps([str(each) for each in token.networks]),
            token.signed,
            format_time(token.created_at),
            token.created_by,
            format_time(token.expires_at) if token.expires_at else None,
        ),
    )
    return find(db, name), secret


def find_by_secret(db: Connection, hash_key: bytes, secret: str) -> ServiceToken | None:
    row = db.execute("SELECT * FROM service_tokens WHERE hash = ?", (hash_of(secret.encode(), hash_key),)).fetchone()
    return _in(row) if row else None


def find(db: Connection, name_or_id: str) -> ServiceToken:
    """The token of that id or name, of one name the live one. Raises TokenUnknown."""
    rows = db.execute(
        "SELECT * FROM service_tokens WHERE id = ?1 OR name = ?1 ORDER BY revoked_at IS NOT NULL, created_at DESC",
        (name_or_id,),
    ).fetchall()
    if not rows:
        raise TokenUnknown(f"There is no service token {name_or_id[:64]!r}.")
    return _in(rows[0])


def list_all(db: Connection) -> list[ServiceToken]:
    return [_in(row) for row in db.execute("SELECT * FROM service_tokens ORDER BY created_at, id")]


def revoke(db: Connection, token: ServiceToken, now: datetime) -> None:
    db.execute("UPDATE service_tokens SET revoked_at = ? WHERE id = ?", (format_time(now), token.id))


def note_use(db: Connection, token: ServiceToken, source: str, now: datetime) -> None:
    db.execute(
        "UPDATE service_tokens SET used_at = ?, used_from = ? WHERE id = ?", (format_time(now), source, token.id)
    )


def _in(row: Row) -> ServiceToken:
    def time(name: str) -> datetime | None:
        return parse_time(row[name]) if row[name] else None

    known = {each.value for each in Permission}
    return ServiceToken(
        row["id"],
        row["name"],
        frozenset(Permission(each) for each in json.loads(row["permissions"]) if each in known),
        Scope(row["org"] or None, row["team"] or None),
        None if row["networks"] is None else tuple(ip_network(each) for each in json.loads(row["networks"])),
        bool(row["signed"]),
        parse_time(row["created_at"]),
        row["created_by"],
        time("expires_at"),
        time("revoked_at"),
        time("used_at"),
        row["used_from"],
    )
