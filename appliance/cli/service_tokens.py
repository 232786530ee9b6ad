"""`ao tokens create|list|revoke`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from appliance.access.keys import networks_in
from appliance.access.roles import permission_called
from appliance.access.service_tokens import ServiceToken
from appliance.cli.admins import scope_data, scope_in, scope_options
from appliance.cli.face import Face, Result, command, table
from appliance.operations.service_tokens import create_token, list_tokens, revoke_token
from licensing.document import format_time


def add_to(main: click.Group) -> None:
    @main.group("tokens")
    def group() -> None:
        """Service tokens, for programs that administer this site."""

    @command(
        group, "create", example="ao tokens create --name ci --permission keys.write --org bank --from 10.20.0.0/16"
    )
    @click.option("--name", required=True, help="What or who uses it.")
    @click.option("--permission", "permissions", multiple=True, required=True, help="What it may do.")
    @scope_options
    @click.option("--from", "networks", multiple=True, help="A network that it may be used from. [default: any]")
    @click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), help="The day (UTC) at whose start it ends.")
    @click.option("--signed", is_flag=True, help="Each of its calls must be signed as well.")
    def create(
        face: Face,
        *,
        name: str,
        permissions: tuple[str, ...],
        org: str | None,
        team: str | None,
        networks: tuple[str, ...],
        expires: datetime | None,
        signed: bool,
    ) -> Result:
        """Make a service token. It is shown now and never again."""
        named = [permission_called(each) for each in permissions]
        with face.site() as site:
            made = create_token(
                site,
                name,
                named,
                face.now,
                within=scope_in(org, team),
                networks=networks_in(networks or None),
                expires_at=expires.replace(tzinfo=UTC) if expires else None,
                signed=signed,
            )
        return Result(
            {**_data(made.token, face.now), "token": made.secret, "signing_key": made.signing_key},
            [
                made.secret,
                *([f"Key to sign its calls with: {made.signing_key}"] if made.signing_key else []),
                f"This is the only time that {made.token.id} is shown; store it now.",
            ],
        )

    @command(group, "list", example="ao tokens list")
    def list_(face: Face) -> Result:
        """List the service tokens, without their secrets."""
        with face.site() as site:
            found = [_data(each, face.now) for each in list_tokens(site)]
        header = ("id", "name", "state", "org", "team", "created_by", "expires_at", "used_at")
        return Result({"tokens": found}, table(header, [[row[name] or "–" for name in header] for row in found]))

    @command(group, "revoke", example="ao tokens revoke ci")
    @click.argument("token")
    def revoke(face: Face, *, token: str) -> Result:
        """End a service token for good, named by its id or name."""
        with face.site() as site:
            found, changed = revoke_token(site, token, face.now)
        told = f"{found.id} ({found.name}) opens nothing any more" + ("." if changed else ", as before.")
        return Result({**_data(found, face.now), "changed": changed}, [told])


def _data(token: ServiceToken, now: datetime) -> dict[str, Any]:
    def time(at: datetime | None) -> str | None:
        return format_time(at) if at else None

    return {
        "id": token.id,
        "name": token.name,
        "state": token.state(now),
        "permissions": sorted(each.value for each in token.permissions),
        **scope_data(token.within),
        "networks": None if token.networks is None else [str(each) for each in token.networks],
        "signed": token.signed,
        "created_at": format_time(token.created_at),
        "created_by": token.created_by or None,
        "expires_at": time(token.expires_at),
        "revoked_at": time(token.revoked_at),
        "used_at": time(token.used_at),
        "used_from": token.used_from,
    }
