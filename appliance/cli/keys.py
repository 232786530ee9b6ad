"""`ao keys create|list|revoke`."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

import click

from appliance.access.keys import ApiKey
from appliance.cli.face import Face, Result, command, table
from appliance.operations.keys import create_key, find_key, list_keys, revoke_key
from licensing.document import format_time


def add_to(main: click.Group) -> None:
    @main.group("keys")
    def group() -> None:
        """API keys for apps."""

    @command(group, "create", example="ao keys create --name billing-bot --team payments --expires 2027-06-30")
    @click.option("--name", required=True, help="What or who uses it.")
    @click.option("--org", default="default", show_default=True)
    @click.option("--team", default="default", show_default=True)
    @click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), help="The day (UTC) at whose start it ends.")
    def create(face: Face, *, name: str, org: str, team: str, expires: datetime | None) -> Result:
        """Make a key. It is shown now and never again."""
        with face.site() as site:
            made = create_key(
                site,
                name=name,
                org=org,
                team=team,
                expires_at=expires.replace(tzinfo=UTC) if expires else None,
                now=face.now,
                entropy=secrets.token_bytes(32),
            )
        return Result(
            {**_shown(made.key, face.now), "key": made.secret},
            [made.secret, f"This is the only time that {made.key.id} is shown; store it now."],
        )

    @command(group, "list", example="ao keys list")
    def list_(face: Face) -> Result:
        """List all keys, without their secrets."""
        with face.site() as site:
            rows = [_shown(key, face.now) for key in list_keys(site)]
        header = ("id", "prefix", "name", "org", "team", "state", "created_at")
        return Result({"keys": rows}, table(header, [[row[name] for name in header] for row in rows]))

    @command(group, "revoke", example="ao keys revoke key_1a2b3c4d5e6f --yes")
    @click.argument("key")
    @click.option("--yes", is_flag=True, help="Do not ask.")
    def revoke(face: Face, *, key: str, yes: bool) -> Result:
        """End a key for good, by its id, prefix or name. Its next request is refused."""
        with face.site() as site:
            found = find_key(site, key)
            if not yes and (face.as_json or not click.confirm(f"Revoke {found.id} ({found.name}) for good?")):
                return Result({"revoked": False}, ["Nothing was changed."], 1)
            revoked, changed = revoke_key(site, found.id, face.now)
        word = "is revoked" if changed else "was revoked already"
        return Result({**_shown(revoked, face.now), "changed": changed}, [f"{revoked.id} ({revoked.name}) {word}."])


def _shown(key: ApiKey, now: datetime) -> dict[str, Any]:
    return {
        "id": key.id,
        "prefix": f"{key.prefix}…",
        "name": key.name,
        "org": key.org,
        "team": key.team,
        "state": key.state(now),
        "created_at": format_time(key.created_at),
        "expires_at": format_time(key.expires_at) if key.expires_at else None,
    }
