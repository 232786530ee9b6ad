"""`ao roles list|show|define|limit|remove`."""

from __future__ import annotations

from typing import Any

import click

from appliance.access.authorise import Permission
from appliance.access.keys import Network, networks_in
from appliance.access.roles import Role, permission_called
from appliance.cli.face import Face, Result, command, table
from appliance.operations.roles import define_role, find, limit_role, list_roles, remove_role


def add_to(main: click.Group) -> None:
    @main.group("roles")
    def group() -> None:
        """What administrators may do: sets of permissions, granted within a scope."""

    @command(group, "list", example="ao roles list")
    def list_(face: Face) -> Result:
        """List the roles: those of every site, and this site's own."""
        with face.site() as site:
            found = list_roles(site)
        rows = [(each.name, "built in" if each.built_in else "this site's", each.title) for each in found]
        return Result({"roles": [_data(each) for each in found]}, table(("role", "kind", "what it is"), rows))

    @command(group, "show", example="ao roles show team-lead")
    @click.argument("name")
    def show(face: Face, *, name: str) -> Result:
        """Show what a role allows, and from where it may be used."""
        with face.site() as site:
            role, networks = find(site, name)
        return _shown(role, networks, [f"{role.name}: {role.title}"])

    @command(group, "define", example="ao roles define auditor --permission audit.read --permission usage.read")
    @click.argument("name")
    @click.option("--permission", "permissions", multiple=True, required=True, help="One that the role holds.")
    @click.option("--title", default="", help="What it is for.")
    def define(face: Face, *, name: str, permissions: tuple[str, ...], title: str) -> Result:
        """Make a role of this site's own, or say anew what one holds. What may be changed may be looked at, too."""
        named: list[Permission] = [permission_called(each) for each in permissions]
        with face.site() as site:
            role = define_role(site, name, title, named, face.now)
        return _shown(role, None, [f"{role.name} holds from now on:"])

    @command(group, "limit", example="ao roles limit site-admin --from 10.20.0.0/24")
    @click.argument("name")
    @click.option("--from", "networks", multiple=True, help="A network that it may be used from.")
    @click.option("--from-anywhere", is_flag=True)
    def limit(face: Face, *, name: str, networks: tuple[str, ...], from_anywhere: bool) -> Result:
        """Say from where a role may be used. Elsewhere its administrators are as if they had it not.

        The host's console is never limited.
        """
        if bool(networks) == from_anywhere:
            raise click.UsageError("Give one or more --from, or --from-anywhere.")
        listed = None if from_anywhere else networks_in(networks)
        with face.site() as site:
            role = limit_role(site, name, listed, face.now)
        return _shown(role, listed, [f"{role.name} is limited."])

    @command(group, "remove", example="ao roles remove auditor")
    @click.argument("name")
    def remove(face: Face, *, name: str) -> Result:
        """Take away a role of this site's own that nobody has."""
        with face.site() as site:
            remove_role(site, name, face.now)
        return Result({"removed": name}, [f"{name} is gone."])


def _shown(role: Role, networks: tuple[Network, ...] | None, lines: list[str]) -> Result:
    data = _data(role) | {"networks": None if networks is None else [str(each) for each in networks]}
    told = "everywhere" if networks is None else ", ".join(map(str, networks))
    return Result(data, [*lines, *(f"  {each}" for each in data["permissions"]), f"From {told}."])


def _data(role: Role) -> dict[str, Any]:
    return {
        "name": role.name,
        "title": role.title,
        "built_in": role.built_in,
        "site_only": role.site_only,
        "permissions": sorted(each.value for each in role.permissions),
    }
