"""What somebody may do at this moment, read from the state: an administrator, or who made a service token."""

from __future__ import annotations

from datetime import datetime

from appliance.access import administrators, sessions
from appliance.access.administrators import Administrator
from appliance.access.attempts import Origin
from appliance.access.authorise import Principal
from appliance.access.kept_roles import custom_roles, role_networks
from appliance.access.keys import Address, Network, within
from appliance.access.roles import grants_of
from appliance.state.site import Site


def principal_of(site: Site, administrator: Administrator, origin: Origin) -> Principal:
    """The administrator with the roles that may be used from there."""
    limits = role_networks(site.database)
    usable = [each for each in administrator.roles if may_be_used(limits.get(each.role), origin.address)]
    grants = grants_of(usable, custom_roles(site.database))
    return Principal(administrators.PREFIX + administrator.name, grants, origin.told)


def may_be_used(networks: tuple[Network, ...] | None, address: Address | None) -> bool:
    """None: from everywhere. An address that nobody knows is in no network."""
    return networks is None or within(networks, address)


def maker_of(site: Site, name: str, origin: Origin) -> Principal:
    """Who made a token, as they would be from where it is used: limits of their roles hold for their tokens as well.

    Nothing where they are gone or disabled.
    """
    person = next((each for each in administrators.list_all(site.database) if each.name == name), None)
    if person is None or person.disabled_at is not None:
        return Principal(administrators.PREFIX + name, (), origin.told)
    return principal_of(site, person, origin)


def end_sessions(site: Site, administrator: str, now: datetime) -> int:
    """All of an administrator, each with its entry; within a transaction. How many there were."""
    ended = [each for each in sessions.list_all(site.database, administrator) if sessions.end(site.database, each)]
    for each in ended:
        site.record("session.end", f"{each.id} of {each.administrator}", now)
    return len(ended)


def session_key(site: Site) -> bytes:
    """What session tokens are hashed with."""
    return site.key.derive(b"ao sessions")


def token_key(site: Site) -> bytes:
    """What service tokens are hashed with."""
    return site.key.derive(b"ao service tokens")
