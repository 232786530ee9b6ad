"""Administrators as they are kept: who they are, what they sign in with, which roles they have.

A password is kept as its Argon2id hash, the secret of the authenticator app encrypted under a key of the site, recovery
codes as keyed hashes. Nothing here decides who may do what: roles.py does.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from appliance.access.authorise import Principal, Scope
from appliance.access.keys import hash_of
from appliance.access.roles import Granted
from appliance.errors import AdministratorRefused, AdministratorUnknown
from appliance.observe.audit import digest_of
from appliance.state.at_rest import decrypted, encrypted
from appliance.state.database import Connection, Row, transaction
from appliance.state.site_key import SiteKey
from licensing.document import format_time, parse_time

PREFIX: Final = "admin:"
"""Of what the audit trail calls them: no user of the host can have such a name."""

RECOVERY_CODES: Final = 8
_RECOVERY_BYTES: Final = 10
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{1,63}")


@dataclass(frozen=True, slots=True)
class Administrator:
    """`codes_left`: recovery codes that have not been used."""

    name: str
    roles: tuple[Granted, ...]
    created_at: datetime
    password_at: datetime
    totp_at: datetime
    disabled_at: datetime | None
    signed_in_at: datetime | None
    codes_left: int

    @property
    def state(self) -> str:
        return "active" if self.disabled_at is None else "disabled"


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """What an administrator signs in with, as it is kept: never shown."""

    password: str
    totp: bytes
    totp_step: int


def name_of(principal: Principal) -> str | None:
    """The administrator that this is; None: somebody at the host, or a service."""
    return principal.name.removeprefix(PREFIX) if principal.name.startswith(PREFIX) else None


def digest(administrator: Administrator) -> str:
    """Of the record, for the audit trail."""
    return digest_of(replace(administrator, signed_in_at=None))


def known_name(name: str) -> str:
    """Raises AdministratorRefused."""
    if not _NAME.fullmatch(name):
        raise AdministratorRefused(
            "An administrator's name has 2 to 64 lower-case letters, digits and . _ @ -, and begins with one of the "
            "first two.",
            where="NAME",
        )
    return name


def code_key(key: SiteKey) -> bytes:
    return key.derive(b"ao recovery codes")


def recovery_codes(entropy: bytes) -> tuple[str, ...]:
    """Of 80 random bits each, in groups that can be read aloud."""
    if len(entropy) != RECOVERY_CODES * _RECOVERY_BYTES:
        raise ValueError(f"{RECOVERY_CODES * _RECOVERY_BYTES} bytes of entropy are needed")
    parts = [entropy[at : at + _RECOVERY_BYTES] for at in range(0, len(entropy), _RECOVERY_BYTES)]
    texts = [base64.b32encode(part).decode().lower() for part in parts]
    return tuple("-".join(text[at : at + 4] for at in range(0, 16, 4)) for text in texts)


ENTROPY_BYTES: Final = RECOVERY_CODES * _RECOVERY_BYTES


def insert(
    db: Connection, key: SiteKey, name: str, password: str, totp: bytes, codes: Iterable[str], now: datetime
) -> None:
    """Raises AdministratorRefused for a name that is taken."""
    with transaction(db):
        if db.execute("SELECT 1 FROM administrators WHERE name = ?", (name,)).fetchone():
            raise AdministratorRefused(f"There is an administrator {name!r} already.")
        # What a repaired database may have kept of an earlier one of that name is not theirs.
        for table in ("administrator_roles", "recovery_codes", "sessions", "known_sources"):
            db.execute(f"DELETE FROM {table} WHERE administrator = ?", (name,))  # noqa: S608 - names written here
        at = format_time(now)
        db.execute(
            "INSERT INTO administrators (name, created_at, password, password_at, totp, totp_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (name, at, password, at, encrypted(totp, key.rest_key), at),
        )
        put_codes(db, key, name, codes)


def put_codes(db: Connection, key: SiteKey, name: str, codes: Iterable[str]) -> None:
    """In the place of those that there were."""
    db.execute("DELETE FROM recovery_codes WHERE administrator = ?", (name,))
    hashes = [(name, hash_of(plain_code(each).encode(), code_key(key))) for each in codes]
    db.executemany("INSERT INTO recovery_codes VALUES (?, ?)", hashes)


def plain_code(typed: str) -> str:
    """A recovery code however its groups were typed."""
    return "".join(each for each in typed.lower() if each.isalnum())


def put_password(db: Connection, name: str, password: str, now: datetime | None) -> None:
    """`now` is None where the same password is hashed at a higher cost."""
    db.execute("UPDATE administrators SET password = ? WHERE name = ?", (password, name))
    if now is not None:
        db.execute("UPDATE administrators SET password_at = ? WHERE name = ?", (format_time(now), name))


def put_totp(db: Connection, key: SiteKey, name: str, secret: bytes, now: datetime) -> None:
    db.execute(
        "UPDATE administrators SET totp = ?, totp_at = ?, totp_step = 0 WHERE name = ?",
        (encrypted(secret, key.rest_key), format_time(now), name),
    )


def use_step(db: Connection, name: str, step: int) -> bool:
    """Whether this time step is used up by this very call: of two at once, one is too late."""
    changed = db.execute("UPDATE administrators SET totp_step = ?1 WHERE name = ?2 AND totp_step < ?1", (step, name))
    return changed.rowcount == 1


def use_code(db: Connection, key: SiteKey, name: str, typed: str, step_now: int) -> bool:
    """Whether this recovery code is used up by this very call.

    It also ends what a clock gone wild may have left: a last step that lies in the future, and would refuse every code
    until then.
    """
    hashed = hash_of(plain_code(typed).encode(), code_key(key))
    used = db.execute("DELETE FROM recovery_codes WHERE administrator = ? AND hash = ?", (name, hashed)).rowcount == 1
    if used:
        db.execute(
            "UPDATE administrators SET totp_step = ?1 WHERE name = ?2 AND totp_step > ?1 + 1", (step_now + 1, name)
        )
    return used


def is_code(db: Connection, key: SiteKey, name: str, typed: str) -> bool:
    hashed = hash_of(plain_code(typed).encode(), code_key(key))
    row = db.execute("SELECT 1 FROM recovery_codes WHERE administrator = ? AND hash = ?", (name, hashed)).fetchone()
    return row is not None


def secrets_of(db: Connection, key: SiteKey, name: str) -> Secrets | None:
    row = db.execute("SELECT password, totp, totp_step FROM administrators WHERE name = ?", (name,)).fetchone()
    if row is None:
        return None
    return Secrets(row["password"], decrypted(bytes(row["totp"]), key.rest_key), row["totp_step"])


def list_all(db: Connection) -> list[Administrator]:
    granted: dict[str, list[Granted]] = {}
    for row in db.execute("SELECT * FROM administrator_roles ORDER BY role, org, team"):
        scope = Scope(row["org"] or None, row["team"] or None)
        granted.setdefault(row["administrator"], []).append(Granted(row["role"], scope))
    codes: Mapping[str, int] = dict(
        tuple(row) for row in db.execute("SELECT administrator, COUNT(*) FROM recovery_codes GROUP BY administrator")
    )
    rows = db.execute("SELECT * FROM administrators ORDER BY name").fetchall()
    return [_in(row, tuple(granted.get(row["name"], ())), codes.get(row["name"], 0)) for row in rows]


def find(db: Connection, name: str) -> Administrator:
    """Raises AdministratorUnknown."""
    found = next((each for each in list_all(db) if each.name == name), None)
    if found is None:
        raise AdministratorUnknown(f"There is no administrator {name[:64]!r}.")
    return found


def put_role(db: Connection, name: str, granted: Granted, by: str, now: datetime) -> bool:
    """Whether anything changed."""
    values = (name, granted.role, granted.within.org or "", granted.within.team or "", format_time(now), by)
    return db.execute("INSERT OR IGNORE INTO administrator_roles VALUES (?, ?, ?, ?, ?, ?)", values).rowcount == 1


def drop_role(db: Connection, name: str, granted: Granted) -> bool:
    """Whether anything changed."""
    values = (name, granted.role, granted.within.org or "", granted.within.team or "")
    gone = db.execute("DELETE FROM administrator_roles WHERE (administrator, role, org, team) = (?, ?, ?, ?)", values)
    return gone.rowcount == 1


def put_disabled(db: Connection, name: str, at: datetime | None) -> None:
    db.execute("UPDATE administrators SET disabled_at = ? WHERE name = ?", (format_time(at) if at else None, name))


def note_sign_in(db: Connection, name: str, now: datetime) -> None:
    db.execute("UPDATE administrators SET signed_in_at = ? WHERE name = ?", (format_time(now), name))


def delete(db: Connection, name: str) -> None:
    """With their roles, codes and sessions."""
    db.execute("DELETE FROM administrators WHERE name = ?", (name,))


def _in(row: Row, roles: tuple[Granted, ...], codes: int) -> Administrator:
    def time(name: str) -> datetime | None:
        return parse_time(row[name]) if row[name] else None

    return Administrator(
        row["name"],
        roles,
        parse_time(row["created_at"]),
        parse_time(row["password_at"]),
        parse_time(row["totp_at"]),
        time("disabled_at"),
        time("signed_in_at"),
        codes,
    )
