"""API keys: made, listed, changed, paused, rotated, revoked. Workers see a change with their next request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from appliance.access import keys, teams
from appliance.access.authorise import Permission
from appliance.access.kept_histories import note_accepted
from appliance.access.keys import ApiKey, NewKey
from appliance.observe.audit import digest_of
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
    """A new key; its secret is in the result and nowhere else. Raises KeyRefused, NotPermitted."""
    site.require(Permission.KEYS_WRITE, org, team)
    require_may_fill(site, org, team)
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
        site.record("key.create", f"{made.key.id} {name!r} of {org}/{team}", now, after=_digest(made.key))
    site.board.raise_generation()
    return made


def list_keys(site: Site) -> list[ApiKey]:
    """Those of the orgs and teams that whoever acts may look at."""
    site.require_somewhere(Permission.KEYS_READ)
    return [each for each in keys.list_keys(site.database) if site.sees(Permission.KEYS_READ, each.org, each.team)]


def find_key(site: Site, name_or_id: str, permission: Permission = Permission.KEYS_READ) -> ApiKey:
    """The key, where whoever acts has the permission for its team. Raises KeyUnknown, KeyRefused, NotPermitted.

    One of a team that they may not look at is not there for them.
    """
    site.require_somewhere(permission)
    found = keys.find_key(
        site.database,
        name_or_id,
        among=lambda org, team: site.sees(Permission.KEYS_READ, org, team) or site.sees(permission, org, team),
    )
    site.require(permission, found.org, found.team)
    return found


def revoke_key(site: Site, name_or_id: str, now: datetime) -> tuple[ApiKey, bool]:
    """Ends a key for good. Raises KeyUnknown, KeyRefused. The second member says whether anything changed."""
    with transaction(site.database):
        before = find_key(site, name_or_id, Permission.KEYS_WRITE)
        revoked = keys.revoke_key(site.database, before.id, now)
        if revoked[1]:
            site.record("key.revoke", _name(revoked[0]), now, before=_digest(before), after=_digest(revoked[0]))
    site.board.raise_generation()
    return revoked


def pause_key(site: Site, name_or_id: str, because: str, now: datetime) -> tuple[ApiKey, bool]:
    """The key opens nothing until it is resumed. Raises KeyUnknown, KeyRefused."""
    with transaction(site.database):
        before = find_key(site, name_or_id, Permission.KEYS_WRITE)
        paused = keys.pause_key(site.database, before.id, because, now)
        if paused[1]:
            subject = f"{_name(paused[0])}: {because}"
            site.record("key.pause", subject, now, before=_digest(before), after=_digest(paused[0]))
    site.board.raise_generation()
    return paused


def resume_key(site: Site, name_or_id: str, now: datetime) -> tuple[ApiKey, bool]:
    """Raises KeyUnknown, KeyRefused."""
    with transaction(site.database):
        before = find_key(site, name_or_id, Permission.KEYS_WRITE)
        resumed = keys.resume_key(site.database, before.id, now)
        if resumed[1]:
            note_accepted(site.database, resumed[0].account, now)
            site.record("key.resume", _name(resumed[0]), now, before=_digest(before), after=_digest(resumed[0]))
    site.board.raise_generation()
    return resumed


def rotate_key(site: Site, name_or_id: str, until: datetime, now: datetime, entropy: bytes) -> NewKey:
    """A new key in the place of one that ends at `until`. Raises KeyUnknown, KeyRefused."""
    with transaction(site.database):
        before = find_key(site, name_or_id, Permission.KEYS_WRITE)
        made = keys.rotate_key(site.database, site.key.hash_key, before.id, until, now, entropy)
        old = keys.find_key(site.database, before.id)
        ends = old.expires_at.isoformat() if old.expires_at else "never"
        subject = f"{_name(old)}: {made.key.id} follows, the old one ends {ends}"
        site.record("key.rotate", subject, now, before=_digest(before), after=_digest(old))
    site.board.raise_generation()
    return made


def change_key(site: Site, name_or_id: str, now: datetime, **new: Any) -> tuple[ApiKey, list[str]]:
    """Sets any of org, team, channel, expires_at, models, networks. Gives the key as it is now, and what
    changed in words. A key that moves needs the permission at both ends.

    Raises KeyUnknown, KeyRefused, NotPermitted.
    """
    with transaction(site.database):
        found = find_key(site, name_or_id, Permission.KEYS_WRITE)
        to = new.get("org", found.org), new.get("team", found.team)
        site.require(Permission.KEYS_WRITE, *to)
        require_may_fill(site, *to)
        before, after = keys.change_key(site.database, found.id, now, **new)
        changes = [
            f"{name}: {_told(getattr(before, name))} → {_told(getattr(after, name))}"
            for name in new
            if getattr(before, name) != getattr(after, name)
        ]
        if changes:
            subject = f"{_name(after)}: {'; '.join(changes)}"
            site.record("key.change", subject, now, before=_digest(before), after=_digest(after))
    site.board.raise_generation()
    return after, changes


def require_may_fill(site: Site, org: str, team: str) -> None:
    """A key makes the team that it names where there is none: that takes leave to make one. Raises NotPermitted."""
    if not teams.is_there(site.database, org, ""):
        site.require(Permission.TEAMS_WRITE)
    elif not teams.is_there(site.database, org, team):
        site.require(Permission.TEAMS_WRITE, org)


def _digest(key: ApiKey) -> str:
    return digest_of(replace(key, last_used=None))


def _name(key: ApiKey) -> str:
    return f"{key.id} {key.name!r}"


def _told(value: Any) -> str:
    if value is None:
        return "any"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
