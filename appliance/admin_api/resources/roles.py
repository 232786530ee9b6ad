"""`/roles`: named sets of permissions, and from where each may be used."""

from __future__ import annotations

from typing import Annotated

from litestar.params import JSONBody
from pydantic import Field

from appliance.access.authorise import Permission
from appliance.access.keys import Network, networks_in
from appliance.access.roles import Role
from appliance.admin_api.answer import Limit, Offset, page
from appliance.admin_api.resources.models import Body, Name, Networks, Told
from appliance.admin_api.routes import OnDesk, route
from appliance.operations.roles import define_role, find, limit_role, list_roles, remove_role


class NewRole(Body):
    name: Annotated[str, Field(min_length=2, max_length=40)]
    title: Annotated[str, Field(max_length=128)] = ""
    permissions: Annotated[list[Permission], Field(min_length=1, max_length=len(Permission))]


class From(Body):
    """null: from everywhere."""

    networks: Networks | None


class RoleTold(Told):
    """`networks` null: it may be used from everywhere."""

    name: str
    title: str
    built_in: bool
    site_only: bool
    permissions: list[str]
    networks: list[str] | None

    @classmethod
    def of(cls, role: Role, networks: tuple[Network, ...] | None) -> RoleTold:
        return cls(
            name=role.name,
            title=role.title,
            built_in=role.built_in,
            site_only=role.site_only,
            permissions=sorted(each.value for each in role.permissions),
            networks=None if networks is None else [str(each) for each in networks],
        )


class RolePage(Told):
    items: list[RoleTold]
    total: int
    next_offset: int | None


class Removed(Told):
    removed: bool = True


@route("GET", "/roles", Permission.ADMINISTRATORS_READ, "roles list")
def list_roles_(desk: OnDesk, limit: Limit = 100, offset: Offset = 0) -> RolePage:
    """The roles that there are, the built-in ones first."""
    found = [RoleTold.of(*find(desk.site, each.name)) for each in list_roles(desk.site)]
    return RolePage(**page(found, limit, offset))


@route("POST", "/roles", Permission.ADMINISTRATORS_WRITE, "roles define", asks_twice=True, status=201)
def define_role_(desk: OnDesk, data: JSONBody[NewRole]) -> RoleTold:
    """Make a role, or say anew what one holds: at once for all who have it."""
    desk.site.require(Permission.ADMINISTRATORS_WRITE)
    held = ", ".join(sorted(each.value for each in data.permissions))
    desk.agree(f"The role {data.name} would hold {held}, for all who have it.")
    role = define_role(desk.site, data.name, data.title, data.permissions, desk.now)
    return RoleTold.of(*find(desk.site, role.name))


@route("GET", "/roles/{role:str}", Permission.ADMINISTRATORS_READ, "roles show")
def show_role(desk: OnDesk, role: Name) -> RoleTold:
    """One role."""
    return RoleTold.of(*find(desk.site, role))


@route("PATCH", "/roles/{role:str}/networks", Permission.ADMINISTRATORS_WRITE, "roles limit", asks_twice=True)
def limit_role_(desk: OnDesk, role: Name, data: JSONBody[From]) -> RoleTold:
    """From where a role may be used. Elsewhere it is as if its administrators had it not."""
    desk.site.require(Permission.ADMINISTRATORS_WRITE)
    networks = networks_in(data.networks)
    told = "everywhere" if networks is None else ", ".join(map(str, networks))
    desk.agree(f"The role {role} could be used from {told}, and from nowhere else.")
    limit_role(desk.site, role, networks, desk.now)
    return RoleTold.of(*find(desk.site, role))


@route("DELETE", "/roles/{role:str}", Permission.ADMINISTRATORS_WRITE, "roles remove", asks_twice=True)
def remove_role_(desk: OnDesk, role: Name) -> Removed:
    """Take away a role that nobody has."""
    desk.site.require(Permission.ADMINISTRATORS_WRITE)
    desk.agree(f"The role {role} would be removed.")
    remove_role(desk.site, role, desk.now)
    return Removed()


ROUTES = (list_roles_, define_role_, show_role, limit_role_, remove_role_)
