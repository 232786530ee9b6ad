"""This site's own roles, and from where each role may be used, as they are kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import ip_network

from appliance.access.authorise import Permission
from appliance.access.keys import Network
from appliance.access.roles import Role
from appliance.state.database import Connection


def custom_roles(db: Connection) -> Mapping[str, Role]:
    """A permission that this release does not know any more is one that nobody has."""
    known = {each.value for each in Permission}
    return {
        row["name"]: Role(
            row["name"],
            row["title"],
            frozenset(Permission(each) for each in json.loads(row["permissions"]) if each in known),
        )
        for row in db.execute("SELECT * FROM roles ORDER BY name")
    }


def put_role(db: Connection, role: Role) -> None:
    written = json.dumps(sorted(each.value for each in role.permissions))
    db.execute("INSERT OR REPLACE INTO roles VALUES (?, ?, ?)", (role.name, role.title, written))


def delete_role(db: Connection, name: str) -> None:
    db.execute("DELETE FROM roles WHERE name = ?", (name,))
    db.execute("DELETE FROM role_networks WHERE role = ?", (name,))


def holders(db: Connection, role: str) -> list[str]:
    """The administrators who have it."""
    rows = db.execute("SELECT DISTINCT administrator FROM administrator_roles WHERE role = ? ORDER BY 1", (role,))
    return [row[0] for row in rows]


def role_networks(db: Connection) -> Mapping[str, tuple[Network, ...]]:
    """Of the roles that may not be used from everywhere."""
    rows = db.execute("SELECT role, networks FROM role_networks")
    return {row["role"]: tuple(ip_network(each) for each in json.loads(row["networks"])) for row in rows}


def put_role_networks(db: Connection, role: str, networks: tuple[Network, ...] | None) -> None:
    """None: from everywhere."""
    if networks is None:
        db.execute("DELETE FROM role_networks WHERE role = ?", (role,))
    else:
        written = json.dumps([str(each) for each in networks])
        db.execute("INSERT OR REPLACE INTO role_networks VALUES (?, ?)", (role, written))
