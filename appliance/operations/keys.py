"""API keys: made, listed, revoked. Workers see a change with their next request."""

from __future__ import annotations

from datetime import datetime

from appliance.access import keys
from appliance.access.keys import ApiKey, NewKey
from appliance.state.database import transaction
from appliance.state.site import Site


def create_key(
    site: Site, *, name: str, org: str, team: str, expires_at: datetime | None, now: datetime, entropy: bytes
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
            site.record("key.revoke", f"{revoked[0].id} {revoked[0].name!r}", now)
    site.board.raise_generation()
    return revoked
