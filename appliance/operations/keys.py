"""API keys: made, listed, changed, paused, rotated, revoked. Workers see a change with their next request."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from appliance.access import keys
from appliance.access.kept_histories import note_accepted
from appliance.access.keys import ApiKey, NewKey
from appliance.state.database import transaction
from appliance.state.site import Site


def create_key(
    site: Site,
    *,
    name: str,
    org: str,
    team: str,
    expires_at: datetime | None,
    now: datetime,
    entropy: bytes,
    models: Iterable[str] | None = None,
    networks: Iterable[str] | None = None,
    channel: str = "prod",
) -> NewKey:
    """A new key; its secret is in the result and nowhere else. Raises KeyRefused."""
    with transaction(site.database):
        made = keys.create_key(
            site.database,
            hash_key=site.key.hash_key,
            name=name,
            org=org,
            team=team,
            expires_at=expires_at,
            now=now,
            entropy=entropy,
            models=models,
            networks=networks,
            channel=channel,
        )
        site.record("key.create", f"{made.key.id} {name!r} of {org}/{team}", now)
    site.board.raise_generation()
    return made


def list_keys(site: Site) -> list[ApiKey]:
    return keys.list_keys(site.database)


def find_key(site: Site, name_or_id: str) -> ApiKey:
    """Raises KeyUnknown, KeyRefused."""
    return keys.find_key(site.database, name_or_id)


def revoke_key(site: Site, name_or_id: str, now: datetime) -> tuple[ApiKey, bool]:
    """Ends a key for good. Raises KeyUnknown, KeyRefused. The second member says whether anything changed."""
    with transaction(site.database):
        revoked = keys.revoke_key(site.database, name_or_id, now)
        if revoked[1]:
            site.record("key.revoke", _name(revoked[0]), now)
    site.board.raise_generation()
    return revoked


def pause_key(site: Site, name_or_id: str, because: str, now: datetime) -> tuple[ApiKey, bool]:
    """The key opens nothing until it is resumed. Raises KeyUnknown, KeyRefused."""
    with transaction(site.database):
        paused = keys.pause_key(site.database, name_or_id, because, now)
        if paused[1]:
            site.record("key.pause", f"{_name(paused[0])}: {because}", now)
    site.board.raise_generation()
    return paused


def resume_key(site: Site, name_or_id: str, now: datetime) -> tuple[ApiKey, bool]:
    """Raises KeyUnknown, KeyRefused."""
    with transaction(site.database):
        resumed = keys.resume_key(site.database, name_or_id, now)
        if resumed[1]:
            note_accepted(site.database, resumed[0].account, now)
            site.record("key.resume", _name(resumed[0]), now)
    site.board.raise_generation()
    return resumed


def rotate_key(site: Site, name_or_id: str, until: datetime, now: datetime, entropy: bytes) -> NewKey:
    """A new key in the place of one that ends at `until`. Raises KeyUnknown, KeyRefused."""
    with transaction(site.database):
        made = keys.rotate_key(site.database, site.key.hash_key, name_or_id, until, now, entropy)
        old = next(each for each in keys.list_keys(site.database) if each.successor == made.key.id)
        ends = old.expires_at.isoformat() if old.expires_at else "never"
        site.record("key.rotate", f"{_name(old)}: {made.key.id} follows, the old one ends {ends}", now)
    site.board.raise_generation()
    return made


def change_key(site: Site, name_or_id: str, now: datetime, **new: Any) -> tuple[ApiKey, list[str]]:
    """Sets any of org, team, channel, expires_at, models, networks. Gives the key as it is now, and what
    changed in words.

    Raises KeyUnknown, KeyRefused.
    """
    with transaction(site.database):
        before, after = keys.change_key(site.database, name_or_id, now, **new)
        changes = [
            f"{name}: {_told(getattr(before, name))} → {_told(getattr(after, name))}"
            for name in new
            if getattr(before, name) != getattr(after, name)
        ]
        if changes:
            site.record("key.change", f"{_name(after)}: {'; '.join(changes)}", now)
    site.board.raise_generation()
    return after, changes


def _name(key: ApiKey) -> str:
    return f"{key.id} {key.name!r}"


def _told(value: Any) -> str:
    if value is None:
        return "any"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
