"""Service tokens: made by those who hold what they give, listed within their scopes, revoked."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from appliance.access import administrators, service_tokens
from appliance.access.acting import token_key
from appliance.access.authorise import SITE, Permission, Scope
from appliance.access.keys import Network
from appliance.access.roles import complete, require_may_hand_on
from appliance.access.service_tokens import SECRET_BYTES, ServiceToken
from appliance.access.token_signing import signing_key
from appliance.observe.audit import digest_of
from appliance.operations.sign_in import RandomBytes
from appliance.state.database import transaction
from appliance.state.site import Site


@dataclass(frozen=True, slots=True, repr=False)
class NewToken:
    """A token just made, with its secret, and the key that its calls must be signed with if they must: to be shown
    once."""

    token: ServiceToken
    secret: str
    signing_key: str | None = None


def create_token(
    site: Site,
    name: str,
    permissions: Iterable[Permission],
    now: datetime,
    *,
    within: Scope = SITE,
    networks: tuple[Network, ...] | None = None,
    expires_at: datetime | None = None,
    signed: bool = False,
    random: RandomBytes = secrets.token_bytes,
) -> NewToken:
    """Raises TokenRefused, NotPermitted."""
    site.require_somewhere(Permission.ADMINISTRATORS_WRITE)
    held = complete(permissions)
    require_may_hand_on(site.by, held, within)
    asked = ServiceToken(
        id="",
        name=name,
        permissions=held,
        within=within,
        networks=networks,
        signed=signed,
        created_at=now,
        created_by=administrators.name_of(site.by) or "",
        expires_at=expires_at,
        revoked_at=None,
        used_at=None,
        used_from=None,
    )
    with transaction(site.database) as db:
        made, secret = service_tokens.create(db, token_key(site), asked, random(SECRET_BYTES))
        told = ", ".join(sorted(each.value for each in held))
        site.record("token.create", f"{made.id} {name}: {told} for {within}", now, after=_digest(made))
    return NewToken(made, secret, signing_key(site.key, made.id) if signed else None)


def list_tokens(site: Site) -> list[ServiceToken]:
    """Those for what whoever acts may look at."""
    site.require_somewhere(Permission.ADMINISTRATORS_READ)
    found = service_tokens.list_all(site.database)
    return [each for each in found if site.by.may(Permission.ADMINISTRATORS_READ, each.within)]


def revoke_token(site: Site, name_or_id: str, now: datetime) -> tuple[ServiceToken, bool]:
    """Ends it for good. The second member says whether anything changed. Raises TokenUnknown, NotPermitted."""
    site.require_somewhere(Permission.ADMINISTRATORS_WRITE)
    with transaction(site.database) as db:
        found = service_tokens.find(db, name_or_id)
        site.require(Permission.ADMINISTRATORS_WRITE, found.within.org, found.within.team)
        if found.revoked_at is not None:
            return found, False
        service_tokens.revoke(db, found, now)
        after = service_tokens.find(db, found.id)
        site.record("token.revoke", f"{found.id} {found.name}", now, before=_digest(found), after=_digest(after))
    return after, True


def _digest(token: ServiceToken) -> str:
    return digest_of(replace(token, used_at=None, used_from=None))
