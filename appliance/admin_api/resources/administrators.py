"""`/administrators`: who may sign in, and with which roles."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from litestar.params import JSONBody
from pydantic import Field

from appliance.access.administrators import Administrator
from appliance.access.authorise import Permission, Scope
from appliance.access.roles import Granted
from appliance.admin_api.answer import Limit, Offset, page
from appliance.admin_api.errors import CallMalformed
from appliance.admin_api.resources.models import Body, Label, Name, Named, Told
from appliance.admin_api.routes import OnDesk, route
from appliance.operations.administrators import (
    Enrolment,
    create_administrator,
    disable_administrator,
    enable_administrator,
    find_administrator,
    grant_role,
    list_administrators,
    remove_administrator,
    renew_totp,
    reset_administrator,
    revoke_role,
)
from licensing.document import format_time

_AdministratorName = Annotated[str, Field(min_length=2, max_length=64)]
_RoleName = Annotated[str, Field(min_length=1, max_length=64)]
_Password = Annotated[str, Field(min_length=1, max_length=1024)]


class RoleWithin(Body):
    """A role for the whole site, an org, or one of its teams."""

    role: _RoleName
    org: Label | None = None
    team: Label | None = None

    def granted(self) -> Granted:
        return Granted(self.role, scope_in(self.org, self.team))


class NewAdministrator(Body):
    name: _AdministratorName
    password: _Password
    roles: list[RoleWithin] = Field([], max_length=64)


class Reset(Body):
    password: _Password


class RoleTold(Told):
    role: str
    org: str | None
    team: str | None


class AdministratorTold(Told):
    name: str
    state: str
    roles: list[RoleTold]
    created_at: str
    password_at: str
    totp_at: str
    signed_in_at: str | None
    recovery_codes_left: int

    @classmethod
    def of(cls, person: Administrator) -> AdministratorTold:
        def time(at: datetime | None) -> str | None:
            return format_time(at) if at else None

        return cls(
            name=person.name,
            state=person.state,
            roles=[RoleTold(role=each.role, org=each.within.org, team=each.within.team) for each in person.roles],
            created_at=format_time(person.created_at),
            password_at=format_time(person.password_at),
            totp_at=format_time(person.totp_at),
            signed_in_at=time(person.signed_in_at),
            recovery_codes_left=person.codes_left,
        )


class Enrolled(Told):
    """What they sign in with besides the password, told this once: the app's secret (and as a URI), recovery codes."""

    administrator: AdministratorTold
    totp_secret: str
    totp_uri: str
    recovery_codes: list[str]

    @classmethod
    def of(cls, done: Enrolment) -> Enrolled:
        return cls(
            administrator=AdministratorTold.of(done.administrator),
            totp_secret=done.secret,
            totp_uri=done.uri,
            recovery_codes=list(done.recovery_codes),
        )


class AdministratorPage(Told):
    items: list[AdministratorTold]
    total: int
    next_offset: int | None


class RolesChanged(Told):
    administrator: AdministratorTold
    changed: bool


class Removed(Told):
    removed: bool = True


def scope_in(org: str | None, team: str | None) -> Scope:
    """Raises CallMalformed."""
    if team is not None and org is None:
        raise CallMalformed("A team is one of an org: name the org too.")
    return Scope(org, team)


@route("GET", "/administrators", Permission.ADMINISTRATORS_READ, "admins list")
def list_administrators_(desk: OnDesk, limit: Limit = 100, offset: Offset = 0) -> AdministratorPage:
    """Those who have a role within what the caller may look at."""
    found = [AdministratorTold.of(each) for each in list_administrators(desk.site)]
    return AdministratorPage(**page(found, limit, offset))


@route("POST", "/administrators", Permission.ADMINISTRATORS_WRITE, "admins create", status=201)
def create_administrator_(desk: OnDesk, data: JSONBody[NewAdministrator]) -> Enrolled:
    """Somebody who may sign in, with roles that the caller holds too."""
    roles = [each.granted() for each in data.roles]
    return Enrolled.of(create_administrator(desk.site, data.name, data.password, roles, desk.now))


@route("GET", "/administrators/{name:str}", Permission.ADMINISTRATORS_READ, "admins show")
def show_administrator(desk: OnDesk, name: Name) -> AdministratorTold:
    """One administrator."""
    return AdministratorTold.of(find_administrator(desk.site, name))


@route("POST", "/administrators/{name:str}/roles", Permission.ADMINISTRATORS_WRITE, "admins grant")
def grant_role_(desk: OnDesk, name: Name, data: JSONBody[RoleWithin]) -> RolesChanged:
    """Grant a role that the caller holds too."""
    person, changed = grant_role(desk.site, name, data.granted(), desk.now)
    return RolesChanged(administrator=AdministratorTold.of(person), changed=changed)


@route(
    "DELETE",
    "/administrators/{name:str}/roles/{role:str}",
    Permission.ADMINISTRATORS_WRITE,
    "admins revoke-grant",
    asks_twice=True,
)
def revoke_role_(desk: OnDesk, name: Name, role: Name, org: Named = None, team: Named = None) -> RolesChanged:
    """Take a role away."""
    find_administrator(desk.site, name)
    granted = Granted(role, scope_in(org, team))
    desk.agree(f"{name} would no longer be {granted}.")
    person, changed = revoke_role(desk.site, name, granted, desk.now)
    return RolesChanged(administrator=AdministratorTold.of(person), changed=changed)


@route(
    "POST",
    "/administrators/{name:str}/disable",
    Permission.ADMINISTRATORS_WRITE,
    "admins disable",
    asks_twice=True,
)
def disable_administrator_(desk: OnDesk, name: Name) -> AdministratorTold:
    """They sign in no more, and their sessions and tokens do nothing."""
    find_administrator(desk.site, name)
    desk.agree(f"{name} could not sign in any more; their sessions would end, and their service tokens do nothing.")
    return AdministratorTold.of(disable_administrator(desk.site, name, desk.now)[0])


@route("POST", "/administrators/{name:str}/enable", Permission.ADMINISTRATORS_WRITE, "admins enable")
def enable_administrator_(desk: OnDesk, name: Name) -> AdministratorTold:
    """They may sign in again."""
    return AdministratorTold.of(enable_administrator(desk.site, name, desk.now)[0])


@route(
    "POST",
    "/administrators/{name:str}/reset",
    Permission.ADMINISTRATORS_WRITE,
    "admins reset",
    asks_twice=True,
    status=201,
)
def reset_administrator_(desk: OnDesk, name: Name, data: JSONBody[Reset]) -> Enrolled:
    """A new password, a new secret for the app, new recovery codes, for somebody who has lost theirs."""
    find_administrator(desk.site, name)
    desk.agree(f"{name} would have another password, another secret for the app and other recovery codes.")
    return Enrolled.of(reset_administrator(desk.site, name, data.password, desk.now))


@route(
    "POST",
    "/administrators/{name:str}/totp",
    Permission.ADMINISTRATORS_WRITE,
    "admins totp",
    asks_twice=True,
    status=201,
)
def renew_totp_(desk: OnDesk, name: Name) -> Enrolled:
    """A new secret for the app and new recovery codes; the password stays."""
    find_administrator(desk.site, name)
    desk.agree(f"{name} would have another secret for the app and other recovery codes.")
    return Enrolled.of(renew_totp(desk.site, name, desk.now))


@route("DELETE", "/administrators/{name:str}", Permission.ADMINISTRATORS_WRITE, "admins remove", asks_twice=True)
def remove_administrator_(desk: OnDesk, name: Name) -> Removed:
    """Take an administrator away; what they did stays in the audit trail."""
    find_administrator(desk.site, name)
    desk.agree(f"{name} would be removed, with their roles and sessions.")
    remove_administrator(desk.site, name, desk.now)
    return Removed()


ROUTES = (
    list_administrators_,
    create_administrator_,
    show_administrator,
    grant_role_,
    revoke_role_,
    disable_administrator_,
    enable_administrator_,
    reset_administrator_,
    renew_totp_,
    remove_administrator_,
)
