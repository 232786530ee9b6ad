"""API keys: shown once, kept as a keyed hash, looked up by it.

Looking a key up by a keyed hash leaks nothing about it through timing: what is compared is a value that a caller cannot
steer without the site's secret.

A key that came from another gateway which kept no more of it than its SHA-256 is known by that: what is stored is the
keyed hash of the digest, so that its app goes on with the key it has.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Any, Literal, get_args

from appliance.access.teams import LABEL_LIMIT, is_label, make_sure
from appliance.errors import KeyRefused, KeyUnknown
from appliance.state.database import Connection, Row, transaction
from licensing.document import format_time, parse_time

KEY_PREFIX = "ao-"
_SECRET_BYTES = 32
_VISIBLE = 8
_LIST_LIMIT = 256
_REASON_LIMIT = 200

Channel = Literal["dev", "staging", "prod"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)

CHANGEABLE = frozenset({"org", "team", "channel", "expires_at", "models", "networks"})
"""What `change_key` may set: names of columns, which go into a statement as they are."""

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key; never the key itself. `prefix` is the part that may be shown.

    `models` are patterns (`*` and `?`) and `networks` the sources that it may be used for and from; None: all. Its
    calls are counted in its `account`, which it shares with the keys that it was rotated from; `channel` keeps apart
    what is being built from what is in use.
    """

    id: str
    prefix: str
    name: str
    org: str
    team: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    paused_at: datetime | None = None
    paused_because: str | None = None
    models: tuple[str, ...] | None = None
    networks: tuple[Network, ...] | None = None
    last_used: datetime | None = None
    successor: str | None = None
    account: str = ""
    channel: str = "prod"

    def usable(self, now: datetime) -> bool:
        return self.state(now) == "active"

    def state(self, now: datetime) -> str:
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and now >= self.expires_at:
            return "expired"
        return "active" if self.paused_at is None else "paused"

    def may_use(self, model: str) -> bool:
        return self.models is None or any(fnmatchcase(model, pattern) for pattern in self.models)

    def may_come_from(self, address: Address | None) -> bool:
        """None: nobody knows where from, which is nowhere that was allowed."""
        return self.networks is None or within(self.networks, address)


@dataclass(frozen=True, slots=True, repr=False)
class NewKey:
    """A key just made, with its secret: to be shown once."""

    key: ApiKey
    secret: str


@dataclass(frozen=True, slots=True, repr=False)
class ForeignKey:
    """A key that an app has from another gateway: the key itself (`secret`) or the SHA-256 of it, in hexadecimal."""

    name: str
    org: str
    team: str
    secret: str | None
    sha256: str | None
    shown: str
    expires_at: datetime | None = None
    paused_because: str | None = None
    models: tuple[str, ...] | None = None
    networks: tuple[Network, ...] | None = None
    channel: str = "prod"


def within(networks: tuple[Network, ...], address: Address | None) -> bool:
    """Whether an address is in one of them. None: nobody knows where from, which is in none."""
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped is not None and any(mapped in network for network in networks)


def hash_of(secret: bytes, hash_key: bytes) -> bytes:
    """The keyed hash under which a key is stored: BLAKE2b (RFC 7693), 32 bytes."""
    return hashlib.blake2b(secret, key=hash_key, digest_size=32).digest()


def digest_of(secret: bytes) -> bytes:
    """What other gateways keep of a key: its SHA-256 in hexadecimal. Never stored as it is."""
    return hashlib.sha256(secret).hexdigest().encode()


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
    models: Iterable[str] | None = None,
    networks: Iterable[str] | None = None,
    channel: str = "prod",
    account: str | None = None,
) -> NewKey:
    """Makes a key from 32 random bytes. Raises KeyRefused for unusable labels, lists, or an expiry in the past."""
    if expires_at is not None and expires_at <= now:
        raise KeyRefused("The key would have expired already.", where="--expires")
    if len(entropy) != _SECRET_BYTES:
        raise ValueError("32 bytes of entropy are needed")
    secret = KEY_PREFIX + base64.urlsafe_b64encode(entropy).decode().rstrip("=")
    key = _stored(
        database,
        hash_of(secret.encode(), hash_key),
        now,
        prefix=secret[: len(KEY_PREFIX) + _VISIBLE],
        name=name,
        org=org,
        team=team,
        expires_at=expires_at,
        models=models_in(models),
        networks=networks_in(networks),
        channel=known_channel(channel),
        account=account,
    )
    return NewKey(key, secret)


def import_key(database: Connection, hash_key: bytes, foreign: ForeignKey, now: datetime) -> ApiKey:
    """Takes a key over from another gateway. Raises KeyRefused where it is known already, or its labels will not do."""
    known_by = foreign.secret or foreign.sha256
    if not known_by:
        raise ValueError("a key, or its digest")
    return _stored(
        database,
        hash_of(known_by.encode(), hash_key),
        now,
        prefix=foreign.shown,
        name=foreign.name,
        org=foreign.org,
        team=foreign.team,
        expires_at=foreign.expires_at,
        models=foreign.models,
        networks=foreign.networks,
        paused_because=foreign.paused_because,
        channel=known_channel(foreign.channel),
        account=None,
        digested=foreign.secret is None,
    )


def models_in(patterns: Iterable[str] | None) -> tuple[str, ...] | None:
    """Raises KeyRefused."""
    if patterns is None:
        return None
    listed = tuple(dict.fromkeys(patterns))
    if not 0 < len(listed) <= _LIST_LIMIT or any(not each.isprintable() or not 0 < len(each) <= 128 for each in listed):
        raise KeyRefused(f"Name 1 to {_LIST_LIMIT} models, or patterns of them.", where="--model")
    return listed


def networks_in(written: Iterable[str] | None) -> tuple[Network, ...] | None:
    """Raises KeyRefused for what is no network in CIDR notation."""
    if written is None:
        return None
    try:
        listed = tuple(dict.fromkeys(ip_network(each.strip()) for each in written))
    except ValueError as exc:
        raise KeyRefused(f"This is no network such as 10.20.0.0/16: {exc}.", where="--from") from exc
    if not 0 < len(listed) <= _LIST_LIMIT:
        raise KeyRefused(f"Name 1 to {_LIST_LIMIT} networks.", where="--from")
    return listed


def known_channel(name: str) -> str:
    """Raises KeyRefused."""
    if name not in CHANNELS:
        raise KeyRefused(f"There is no channel {name[:64]!r}; there are {', '.join(CHANNELS)}.", where="--channel")
    return name


def list_keys(database: Connection) -> list[ApiKey]:
    rows = database.execute("SELECT * FROM api_keys ORDER BY created_at, id").fetchall()
    return [_key_in(row) for row in rows]


def key_by_id(database: Connection, id_: str) -> ApiKey | None:
    row = database.execute("SELECT * FROM api_keys WHERE id = ?", (id_,)).fetchone()
    return _key_in(row) if row else None


def keys_by_hash(database: Connection) -> Mapping[bytes, ApiKey]:
    """Every key, by its keyed hash: what a worker looks callers up in."""
    return {bytes(row["hash"]): _key_in(row) for row in database.execute("SELECT * FROM api_keys")}


def digested_keys(database: Connection) -> frozenset[str]:
    """The ids of those that are known by another gateway's digest only."""
    return frozenset(row["id"] for row in database.execute("SELECT id FROM api_keys WHERE digested"))


def revoke_key(database: Connection, name_or_id: str, now: datetime) -> tuple[ApiKey, bool]:
    """Revokes the key of that id, prefix or (unambiguous) name for good. Raises KeyUnknown, KeyRefused.

    The second member says whether anything changed: revoking twice is harmless.
    """
    with transaction(database):
        found = find_key(database, name_or_id)
        if found.revoked_at is not None:
            return found, False
        return _changed(database, found, revoked_at=format_time(now)), True


def pause_key(database: Connection, name_or_id: str, because: str, now: datetime) -> tuple[ApiKey, bool]:
    """Until it is resumed the key opens nothing. Raises KeyUnknown, KeyRefused for one that has ended."""
    if not 0 < len(because) <= _REASON_LIMIT or not because.isprintable():
        raise KeyRefused(f"The reason must have 1 to {_REASON_LIMIT} printable characters.", where="--because")
    with transaction(database):
        found = _living(database, name_or_id, now)
        if found.paused_at is not None:
            return found, False
        return _changed(database, found, paused_at=format_time(now), paused_because=because), True


def resume_key(database: Connection, name_or_id: str, now: datetime) -> tuple[ApiKey, bool]:
    """Raises KeyUnknown, KeyRefused for one that has ended."""
    with transaction(database):
        found = _living(database, name_or_id, now)
        if found.paused_at is None:
            return found, False
        return _changed(database, found, paused_at=None, paused_because=None), True


def rotate_key(
    database: Connection, hash_key: bytes, name_or_id: str, until: datetime, now: datetime, entropy: bytes
) -> NewKey:
    """A new key in the place of one, which goes on working until `until`. Raises KeyUnknown, KeyRefused.

    The new one has all that the old one had, its expiry too; it is not paused where the old one is.
    """
    with transaction(database):
        old = _living(database, name_or_id, now)
        if old.successor is not None:
            raise KeyRefused(f"{old.id} has a successor already: {old.successor}.", remedy="Rotate that one.")
        made = create_key(
            database,
            hash_key=hash_key,
            name=old.name,
            org=old.org,
            team=old.team,
            expires_at=old.expires_at,
            now=now,
            entropy=entropy,
            models=old.models,
            networks=None if old.networks is None else [str(each) for each in old.networks],
            channel=old.channel,
            account=old.account,
        )
        end = until if old.expires_at is None else min(until, old.expires_at)
        _changed(database, old, expires_at=format_time(end), successor=made.key.id)
    return made


def change_key(database: Connection, name_or_id: str, now: datetime, **new: Any) -> tuple[ApiKey, ApiKey]:
    """Sets any of CHANGEABLE; gives what was before, and what is now. Raises KeyUnknown, KeyRefused."""
    if unknown := new.keys() - CHANGEABLE:
        raise ValueError(f"a key has no {', '.join(sorted(unknown))} that could be changed")
    with transaction(database):
        before = _living(database, name_or_id, now)
        _check_labels({name: new[name] for name in ("org", "team") if name in new})
        expires_at = new.get("expires_at")
        if expires_at is not None and expires_at <= now:
            raise KeyRefused("The key would have expired already: revoke it.", where="--expires")
        if "channel" in new:
            known_channel(new["channel"])
        make_sure(database, new.get("org", before.org), new.get("team", before.team), now)
        return before, _changed(database, before, **{name: _written(name, value) for name, value in new.items()})


def note_use(database: Connection, uses: Mapping[str, int]) -> None:
    """When keys were last used (milliseconds since 1970), as exchanges come into the ledger."""
    database.executemany(
        "UPDATE api_keys SET last_used = MAX(COALESCE(last_used, 0), ?) WHERE id = ?",
        [(at, key) for key, at in uses.items()],
    )


def find_key(
    database: Connection, name_or_id: str, *, among: Callable[[str, str], bool] = lambda org, team: True
) -> ApiKey:
    """The key of that id, prefix or name; among those of one name the live one. Raises KeyUnknown, KeyRefused.

    `among` says of which org and team a key is looked for: others are not there.
    """
    name_or_id = name_or_id.removesuffix("…")
    rows = database.execute(
        "SELECT * FROM api_keys WHERE id = ?1 OR prefix = ?1 OR name = ?1 ORDER BY revoked_at IS NOT NULL",
        (name_or_id,),
    ).fetchall()
    rows = [row for row in rows if among(row["org"], row["team"])]
    # An id names one key, whatever another key may be called.
    rows = [row for row in rows if row["id"] == name_or_id] or rows
    live = [row for row in rows if row["revoked_at"] is None]
    if not rows:
        raise KeyUnknown(f"There is no API key {name_or_id[:64]!r}.")
    if len(live) > 1:
        raise KeyRefused(f"{len(live)} keys are called {name_or_id[:64]!r}; name one by its id.")
    return _key_in(rows[0])


def _living(database: Connection, name_or_id: str, now: datetime) -> ApiKey:
    found = find_key(database, name_or_id)
    if found.state(now) in ("revoked", "expired"):
        raise KeyRefused(f"{found.id} is {found.state(now)}: that is for good.", remedy="Make a new key.")
    return found


def _check_labels(labels: Mapping[str, Any]) -> None:
    for label, value in labels.items():
        if not is_label(value):
            raise KeyRefused(f"The {label} must have 1 to {LABEL_LIMIT} printable characters.", where=f"--{label}")


def _stored(database: Connection, hashed: bytes, now: datetime, **facts: Any) -> ApiKey:
    _check_labels({label: facts[label] for label in ("name", "org", "team")})
    written = {"created_at": format_time(now), **{name: _written(name, value) for name, value in facts.items()}}
    if facts.get("paused_because") is not None:
        written["paused_at"] = format_time(now)
    columns = {"id": "key_" + hashed.hex()[:12], "hash": hashed, **written}
    columns["account"] = columns["account"] or columns["id"]
    with transaction(database) as db:
        make_sure(db, facts["org"], facts["team"], now)
        if db.execute("SELECT 1 FROM api_keys WHERE hash = ?", (hashed,)).fetchone():
            raise KeyRefused(f"The key {facts['name']!r} ({facts['prefix']}…) is known here already.")
        db.execute(
            f"INSERT INTO api_keys ({', '.join(columns)}) "  # noqa: S608 - column names are this module's own
            f"VALUES ({', '.join('?' * len(columns))})",
            tuple(columns.values()),
        )
        row = db.execute("SELECT * FROM api_keys WHERE hash = ?", (hashed,)).fetchone()
    return _key_in(row)


def _changed(database: Connection, key: ApiKey, **columns: Any) -> ApiKey:
    settings = ", ".join(f"{name} = ?" for name in columns)
    database.execute(
        f"UPDATE api_keys SET {settings} WHERE id = ?",  # noqa: S608 - names written here, or of CHANGEABLE
        (*columns.values(), key.id),
    )
    return _key_in(database.execute("SELECT * FROM api_keys WHERE id = ?", (key.id,)).fetchone())


def _written(name: str, value: Any) -> Any:
    """As it stands in its column."""
    if value is None or name not in ("expires_at", "models", "networks"):
        return value
    return format_time(value) if name == "expires_at" else json.dumps([str(each) for each in value])


def _key_in(row: Row) -> ApiKey:
    def time(name: str) -> datetime | None:
        return parse_time(row[name]) if row[name] else None

    networks = row["networks"]
    return ApiKey(
        row["id"],
        row["prefix"],
        row["name"],
        row["org"],
        row["team"],
        parse_time(row["created_at"]),
        time("expires_at"),
        time("revoked_at"),
        time("paused_at"),
        row["paused_because"],
        tuple(json.loads(row["models"])) if row["models"] else None,
        tuple(ip_network(each) for each in json.loads(networks)) if networks else None,
        datetime.fromtimestamp(row["last_used"] // 1000, UTC) if row["last_used"] else None,
        row["successor"],
        row["account"],
        row["channel"],
    )
