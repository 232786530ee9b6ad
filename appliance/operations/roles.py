"""This site's own roles, and from where roles may be used: for those who hold themselves what a role holds."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from appliance.access import kept_roles
from appliance.access.authorise import SITE, Permission
from appliance.access.keys import Network
from appliance.access.roles import BUILT_IN, Role, find_role, new_role, require_may_hand_on
from appliance.errors import RoleRefused, RoleUnknown
from appliance.observe.audit import digest_of
from appliance.state.database import transaction
from appliance.state.site import Site


def list_roles(site: Site) -> list[Role]:
    """The built-in ones first. Roles say nothing of who has them."""
    site.require_somewhere(Permission.ADMINISTRATORS_READ)
    return [*BUILT_IN.values(), *kept_roles.custom_roles(site.database).values()]


def find(site: Site, name: str) -> tuple[Role, tuple[Network, ...] | None]:
    """A role, and from where it may be used (None: from everywhere). Raises RoleUnknown."""
    site.require_somewhere(Permission.ADMINISTRATORS_READ)
    role = find_role(name, kept_roles.custom_roles(site.database))
    return role, kept_roles.role_networks(site.database).get(name)


def define_role(site: Site, name: str, title: str, permissions: Iterable[Permission], now: datetime) -> Role:
    """Makes a role, or says anew what one holds: at once for all who have it. Raises RoleRefused, NotPermitted."""
    site.require(Permission.ADMINISTRATORS_WRITE)
    role = new_role(name, title, permissions)
    with transaction(site.database) as db:
        before = kept_roles.custom_roles(db).get(name)
        require_may_hand_on(site.by, role.permissions | (before.permissions if before else frozenset()), SITE)
        kept_roles.put_role(db, role)
        told = ", ".join(sorted(each.value for each in role.permissions))
        former = _digest(before) if before else None
        site.record("role.define", f"{name}: {told}", now, before=former, after=_digest(role))
    return role


def remove_role(site: Site, name: str, now: datetime) -> None:
    """Raises RoleUnknown, NotPermitted; RoleRefused while somebody has it, and for a built-in one."""
    site.require(Permission.ADMINISTRATORS_WRITE)
    with transaction(site.database) as db:
        if name in BUILT_IN:
            raise RoleRefused(f"{name!r} is a role of every site and stays as it is.")
        before = kept_roles.custom_roles(db).get(name)
        if before is None:
            raise RoleUnknown(f"There is no role {name[:64]!r}.")
        require_may_hand_on(site.by, before.permissions, SITE)
        if having := kept_roles.holders(db, name):
            raise RoleRefused(f"{name!r} is a role of {', '.join(having[:5])}.", remedy="Take it from them first.")
        kept_roles.delete_role(db, name)
        site.record("role.remove", name, now, before=_digest(before))


def limit_role(site: Site, name: str, networks: tuple[Network, ...] | None, now: datetime) -> Role:
    """From where a role may be used; None: from everywhere. Elsewhere it is as if its administrators had it not.

    Raises RoleUnknown, NotPermitted.
    """
    site.require(Permission.ADMINISTRATORS_WRITE)
    with transaction(site.database) as db:
        role = find_role(name, kept_roles.custom_roles(db))
        require_may_hand_on(site.by, role.permissions, SITE)
        before = kept_roles.role_networks(db).get(name)
        kept_roles.put_role_networks(db, name, networks)
        told = "everywhere" if networks is None else ", ".join(map(str, networks))
        site.record("role.limit", f"{name}: from {told}", now, before=digest_of(before), after=digest_of(networks))
    return role


def _digest(role: Role) -> str:
    return digest_of({"name": role.name, "title": role.title, "permissions": sorted(role.permissions)})
