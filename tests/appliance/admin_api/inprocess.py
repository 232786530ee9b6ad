"""The admin API's app without a server, for callers with any set of permissions: tokens are made up by a test."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from appliance.access.authorise import SITE, Grant, Permission, Principal, Scope
from appliance.access.keys import networks_in
from appliance.access.roles import complete
from appliance.admin_api.app import build
from appliance.admin_api.caller import Caller, Peer
from appliance.admin_api.errors import NotAuthenticated
from appliance.settings import Settings
from appliance.state.site import Site
from tests.appliance.papers import NOW
from tests.appliance.sites import any_secret

ALL = frozenset(Permission)


class Known:
    """Satisfies `Authenticator`: the tokens that a test has given out."""

    def __init__(self) -> None:
        self._callers: dict[str, tuple[frozenset[Permission], Scope, str | None, bool]] = {}

    def token(
        self, *permissions: Permission, within: Scope = SITE, networks: str | None = None, signed: bool = False
    ) -> str:
        named = ".".join(sorted(permissions)) or "nothing"
        token = f"token-{named}-{within}-{networks}-{signed}".replace(" ", "-")
        self._callers[token] = (complete(permissions), within, networks, signed)
        return token

    def __call__(self, site: Site, token: str, peer: Peer, now: datetime) -> Caller:
        if token not in self._callers:
            raise NotAuthenticated("The token opens nothing here.")
        permissions, within, networks, signed = self._callers[token]
        principal = Principal(f"holder of {token}", (Grant(permissions, within),), peer.source)
        return Caller(principal, token, networks_in([networks]) if networks else None, signed)


class Asked:
    """Calls the app as a server would; `client` is the peer, `now` what its clock says."""

    def __init__(self, state: Path, client: tuple[str, int] = ("127.0.0.1", 40000)) -> None:
        self.known = Known()
        self.state = state
        self.now = (NOW + timedelta(hours=2)).timestamp()
        self.app: Any = build(Settings(state_dir=state), self.known, any_secret, lambda: self.now)
        self._client = client

    def __call__(
        self, method: str, path: str, token: str | None = None, headers: Mapping[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        bearer = {"authorization": f"Bearer {token}"} if token is not None else {}

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, client=self._client, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://admin") as client:
                return await client.request(method, path, headers={**bearer, **(headers or {})}, **more)

        return asyncio.run(ask())
