"""Roles: named sets of permissions that are granted within a scope, and who may hand them on (pure).

Promise: nobody hands on what they do not hold. A role is granted to an administrator for the whole site, one org or one
team; what somebody may do is the sum of their grants, each within its own scope. Who may change may look: a set that
holds `keys.write` holds `keys.read`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from appliance.access.authorise import SITE, Grant, Permission, Principal, Scope
from appliance.errors import NotPermitted, RoleRefused, RoleUnknown

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{1,39}")


@dataclass(frozen=True, slots=True)
class Role:
    """`site_only`: it is about what no org has to itself, and is granted for the whole site or not at all."""

    name: str
    title: str
    permissions: frozenset[Permission]
    built_in: bool = False
    site_only: bool = False


def complete(permissions: Iterable[Permission]) -> frozenset[Permission]:
    """With the `read` that belongs to each `write`."""
    named = frozenset(permissions)
    reads = {each.value.removesuffix(".write") + ".read" for each in named if each.value.endswith(".write")}
    return named | {each for each in Permission if each.value in reads}


_READS: Final = frozenset(each for each in Permission if each.value.endswith(".read"))
_OF_A_TEAM: Final = frozenset(
    {Permission.KEYS_READ, Permission.TEAMS_READ, Permission.USAGE_READ, Permission.ANOMALY_READ}
)

SITE_ADMIN: Final = Role("site-admin", "Everything, for the whole site", frozenset(Permission), True, True)

BUILT_IN: Final[Mapping[str, Role]] = {
    role.name: role
    for role in (
        SITE_ADMIN,
        Role(
            "security-officer",
            "Looks at everything, and decides what becomes of suspicious keys",
            _READS | {Permission.ANOMALY_WRITE},
            True,
            True,
        ),
        Role(
            "org-admin",
            "Teams, keys, caps and administrators of an org",
            complete(
                {
                    *_OF_A_TEAM,
                    Permission.KEYS_WRITE,
                    Permission.TEAMS_WRITE,
                    Permission.CAPS_WRITE,
                    Permission.ANOMALY_WRITE,
                    Permission.ADMINISTRATORS_WRITE,
                }
            ),
            True,
        ),
        Role(
            "team-lead",
            "Keys of a team, what each may use up, and what becomes of suspicious ones",
            complete({*_OF_A_TEAM, Permission.KEYS_WRITE, Permission.CAPS_WRITE, Permission.ANOMALY_WRITE}),
            True,
        ),
        Role("developer", "Makes and rotates keys", complete({*_OF_A_TEAM, Permission.KEYS_WRITE}), True),
        Role("viewer", "Looks", _OF_A_TEAM, True),
    )
}


@dataclass(frozen=True, slots=True)
class Granted:
    """A role that an administrator has, and within what."""

    role: str
    within: Scope = SITE

    def __str__(self) -> str:
        return f"{self.role} for {self.within}"


def find_role(name: str, custom: Mapping[str, Role]) -> Role:
    """Raises RoleUnknown."""
    found = BUILT_IN.get(name) or custom.get(name)
    if found is None:
        raise RoleUnknown(f"There is no role {name[:64]!r}.")
    return found


def grants_of(granted: Iterable[Granted], custom: Mapping[str, Role]) -> tuple[Grant, ...]:
    """What these roles allow. One that is not known any more allows nothing."""
    roles = {**custom, **BUILT_IN}
    return tuple(Grant(roles[each.role].permissions, each.within) for each in granted if each.role in roles)


def holds(principal: Principal, permissions: Iterable[Permission], within: Scope) -> bool:
    """Whether they may do all of this themselves, everywhere within the scope."""
    return all(principal.may(each, within) for each in permissions)


def require_may_hand_on(principal: Principal, permissions: frozenset[Permission], within: Scope) -> None:
    """Raises NotPermitted unless they administer that scope and hold themselves all that they hand on."""
    lacking = sorted(
        each.value for each in permissions | {Permission.ADMINISTRATORS_WRITE} if not principal.may(each, within)
    )
    if lacking:
        raise NotPermitted(
            f"{principal.name} may not hand this on for {within}: it takes {', '.join(lacking)}, which they do not "
            "have there themselves."
        )


def require_stands_over(principal: Principal, grants: Iterable[Grant]) -> None:
    """Whoever resets, disables or removes somebody could act as them: so they must hold all that those hold.

    Raises NotPermitted. Somebody who holds nothing is a matter of the whole site.
    """
    listed = tuple(grants)
    if not listed:
        require_may_hand_on(principal, frozenset(), SITE)
    for each in listed:
        require_may_hand_on(principal, each.permissions, each.within)


def new_role(name: str, title: str, permissions: Iterable[Permission]) -> Role:
    """A role of this site's own. Raises RoleRefused."""
    named = complete(permissions)
    if name in BUILT_IN:
        raise RoleRefused(f"{name!r} is a role of every site and stays as it is.")
    if not _NAME.fullmatch(name):
        raise RoleRefused("A role's name has 2 to 40 lower-case letters, digits and dashes.", where="NAME")
    if not named:
        raise RoleRefused("A role holds at least one permission.", where="--permission")
    if len(title) > 128 or not title.isprintable():
        raise RoleRefused("A title has up to 128 printable characters.", where="--title")
    return Role(name, title, named)


def permission_called(name: str) -> Permission:
    """Raises RoleRefused."""
    try:
        return Permission(name)
    except ValueError:
        raise RoleRefused(
            f"There is no permission {name[:64]!r}.",
            remedy=f"There are: {', '.join(each.value for each in Permission)}.",
        ) from None


def require_grantable(role: Role, within: Scope) -> None:
    """Raises RoleRefused."""
    if role.site_only and within != SITE:
        raise RoleRefused(f"{role.name} is a role for the whole site.", remedy="Grant it without --org and --team.")
