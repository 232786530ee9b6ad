"""`/tokens`: service tokens. Their secrets are in the answer that makes them and nowhere else."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from litestar.params import JSONBody
from pydantic import Field

from appliance.access.authorise import Permission
from appliance.access.keys import networks_in
from appliance.access.service_tokens import ServiceToken
from appliance.admin_api.answer import Limit, Offset, page
from appliance.admin_api.resources.administrators import scope_in
from appliance.admin_api.resources.models import Body, Label, Moment, Name, Networks, Told, moment_in
from appliance.admin_api.routes import OnDesk, route
from appliance.errors import TokenUnknown
from appliance.operations.service_tokens import create_token, list_tokens, revoke_token
from licensing.document import format_time


class NewTokenAsked(Body):
    """`signed`: each of its calls must be signed with the key that is told with it."""

    name: Annotated[str, Field(min_length=2, max_length=64)]
    permissions: Annotated[list[Permission], Field(min_length=1, max_length=len(Permission))]
    org: Label | None = None
    team: Label | None = None
    networks: Networks | None = None
    expires_at: Moment | None = None
    signed: bool = False


class TokenTold(Told):
    """`created_by` empty: it was made at the host."""

    id: str
    name: str
    state: str
    permissions: list[str]
    org: str | None
    team: str | None
    networks: list[str] | None
    signed: bool
    created_at: str
    created_by: str
    expires_at: str | None
    used_at: str | None
    used_from: str | None

    @classmethod
    def of(cls, token: ServiceToken, now: datetime) -> TokenTold:
        def time(at: datetime | None) -> str | None:
            return format_time(at) if at else None

        return cls(
            id=token.id,
            name=token.name,
            state=token.state(now),
            permissions=sorted(each.value for each in token.permissions),
            org=token.within.org,
            team=token.within.team,
            networks=None if token.networks is None else [str(each) for each in token.networks],
            signed=token.signed,
            created_at=format_time(token.created_at),
            created_by=token.created_by,
            expires_at=time(token.expires_at),
            used_at=time(token.used_at),
            used_from=token.used_from,
        )


class MadeToken(Told):
    """`token`, and `signing_key` where its calls must be signed, are told this once."""

    info: TokenTold
    token: str
    signing_key: str | None


class TokenPage(Told):
    items: list[TokenTold]
    total: int
    next_offset: int | None


@route("GET", "/tokens", Permission.ADMINISTRATORS_READ, "tokens list")
def list_tokens_(desk: OnDesk, limit: Limit = 100, offset: Offset = 0) -> TokenPage:
    """The service tokens for what the caller may look at."""
    return TokenPage(**page([TokenTold.of(each, desk.now) for each in list_tokens(desk.site)], limit, offset))


@route("POST", "/tokens", Permission.ADMINISTRATORS_WRITE, "tokens create", status=201)
def create_token_(desk: OnDesk, data: JSONBody[NewTokenAsked]) -> MadeToken:
    """Make a service token that holds at most what the caller holds. It is told in this answer and never again."""
    made = create_token(
        desk.site,
        data.name,
        data.permissions,
        desk.now,
        within=scope_in(data.org, data.team),
        networks=networks_in(data.networks),
        expires_at=moment_in(data.expires_at, "expires_at") if data.expires_at else None,
        signed=data.signed,
    )
    return MadeToken(info=TokenTold.of(made.token, desk.now), token=made.secret, signing_key=made.signing_key)


@route("DELETE", "/tokens/{token:str}", Permission.ADMINISTRATORS_WRITE, "tokens revoke", asks_twice=True)
def revoke_token_(desk: OnDesk, token: Name) -> TokenTold:
    """End a service token for good."""
    found = next((each for each in list_tokens(desk.site) if token in (each.id, each.name)), None)
    if found is None:
        raise TokenUnknown(f"There is no service token {token[:64]!r}.")
    desk.agree(f"The service token {found.id} ({found.name}) would be revoked for good.")
    return TokenTold.of(revoke_token(desk.site, found.id, desk.now)[0], desk.now)


ROUTES = (list_tokens_, create_token_, revoke_token_)
