"""Whether somebody may do an administrative act: the one function that every such act passes (pure).

Promise: what no grant allows is refused; a grant holds within its scope and nowhere above or beside it. Command line,
HTTP and console reach the same operations, and each operation asks here before it reads or changes anything.

Whoever is at home on the host (its console) owns the state folder and may do everything: a lock that its owner can
lift off its hinges would only be in the way of a recovery. What they do is in the audit trail like all else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from appliance.errors import NotPermitted


class Permission(StrEnum):
    """What can be granted. `read` looks, `write` changes; the names are those of roles, service tokens and errors."""

    STATUS_READ = "status.read"
    KEYS_READ = "keys.read"
    KEYS_WRITE = "keys.write"
    TEAMS_READ = "teams.read"
    TEAMS_WRITE = "teams.write"
    CAPS_WRITE = "caps.write"
    ANOMALY_READ = "anomaly.read"
    ANOMALY_WRITE = "anomaly.write"
    USAGE_READ = "usage.read"
    USAGE_WRITE = "usage.write"
    CONFIG_READ = "config.read"
    CONFIG_WRITE = "config.write"
    LICENCE_READ = "licence.read"
    LICENCE_WRITE = "licence.write"
    TRUST_READ = "trust.read"
    TRUST_WRITE = "trust.write"
    MEDIA_READ = "media.read"
    MEDIA_WRITE = "media.write"
    AUDIT_READ = "audit.read"
    WEBHOOKS_READ = "webhooks.read"
    WEBHOOKS_WRITE = "webhooks.write"
    TLS_READ = "tls.read"
    TLS_WRITE = "tls.write"
    ADMINISTRATORS_READ = "administrators.read"
    ADMINISTRATORS_WRITE = "administrators.write"
    HOST_WRITE = "host.write"
    """Backups, restores, rebuilding the ledger: what concerns the state folder as a whole."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The whole site, one org of it, or one team of an org."""

    org: str | None = None
    team: str | None = None

    def __post_init__(self) -> None:
        if self.team is not None and self.org is None:
            raise ValueError("a team is one of an org")

    def covers(self, other: Scope) -> bool:
        """Whether `other` lies within this one."""
        return self.org in (None, other.org) and self.team in (None, other.team)

    def __str__(self) -> str:
        if self.org is None:
            return "this site"
        return f"the org {self.org}" if self.team is None else f"the team {self.org}/{self.team}"


SITE = Scope()

HOST = "host"
"""Where those are who act at the host itself; everybody else comes from an address."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What somebody may do, and within what."""

    permissions: frozenset[Permission]
    within: Scope = SITE


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts. `name` is what the audit trail calls them, `source` from where (an address, or the host itself)."""

    name: str
    grants: tuple[Grant, ...]
    source: str = HOST

    @property
    def at_host(self) -> bool:
        """Whether they sit at the host's console, and have the state folder in their hands anyway."""
        return self.source == HOST

    def may(self, permission: Permission, about: Scope = SITE) -> bool:
        return any(permission in grant.permissions and grant.within.covers(about) for grant in self.grants)

    def scopes(self, permission: Permission) -> tuple[Scope, ...]:
        """Within what they may: a list shows what lies in one of these, and nothing else."""
        return tuple(grant.within for grant in self.grants if permission in grant.permissions)


def host_principal(user: str) -> Principal:
    """The user of the host who owns the state folder."""
    return Principal(user, (Grant(frozenset(Permission)),))


def unrestricted(principal: Principal) -> Principal:
    """The same person with all grants: for what must follow, whole, from one act that was allowed."""
    return Principal(principal.name, (Grant(frozenset(Permission)),), principal.source)


def authorise_somewhere(principal: Principal, permission: Permission) -> None:
    """Raises NotPermitted unless some grant has this permission: asked before it is looked up what an act is about, so
    that a refusal tells nothing of what there is."""
    if not principal.scopes(permission):
        raise NotPermitted(f"{principal.name} may not do this: it needs {permission.value}.")


def authorise(principal: Principal, permission: Permission, about: Scope = SITE) -> None:
    """Raises NotPermitted unless one of the principal's grants allows this there."""
    if not principal.may(permission, about):
        raise NotPermitted(f"{principal.name} may not do this: it needs {permission.value} for {about}.")
