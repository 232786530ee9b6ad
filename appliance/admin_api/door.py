"""The door of the admin API: whatever a route may do, no call reaches it without passing here.

In this order: who calls (a bearer token; a cookie opens nothing, so no page of another origin can use one); from where;
the body, bounded in size and time; its signature, where the token asks for one, and that it comes for the first time.
Then the state is opened as that caller and laid on the desk. What is refused is told alike and recorded.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from litestar.types import ASGIApp, Receive, Scope, Send

from appliance.access.authorise import Principal
from appliance.access.token_signing import signing_key
from appliance.admin_api import confirmation, signature
from appliance.admin_api.answer import HEADERS, refusal_body, refusal_headers
from appliance.admin_api.caller import NOBODY, Authenticator, Caller, Peer, bearer_in, peer_of, require_source
from appliance.admin_api.desk import Call, Desk
from appliance.admin_api.errors import AdminFault, CallMalformed, CallReplayed, CallTooLarge, CallTooSlow
from appliance.admin_api.refused_calls import RefusedCalls
from appliance.admin_api.routes import DESK
from appliance.admin_api.used_once import use
from appliance.config.secrets import SecretLookup
from appliance.errors import StateDamaged, StateUnwritable
from appliance.settings import Settings
from appliance.state.database import DatabaseFault, DatabaseUnwritable
from appliance.state.site import Site, open_site
from licensing.errors import Refusal
from media.reader import LIMITS

log = logging.getLogger("ao.admin")

JSON_LIMIT = 64 * 1024
DOCUMENT_LIMIT = LIMITS["config"]
DOCUMENT_TYPE = "application/octet-stream"
BODY_SECONDS = 30.0
REFUSED = "ao.refused"
"""Where a route's own refusal is left in a call's scope, for the record."""

_NONCE = "nonce"
_ASKED_ONCE = frozenset(
    {"authorization", "content-length", "content-type", confirmation.HEADER, *signature.HEADERS},
)


class Door:
    """The ASGI app that is served. `open_to_all` are the calls (method, path) that need no token: signing in."""

    def __init__(
        self,
        inner: ASGIApp,
        settings: Settings,
        authenticator: Authenticator,
        secrets: SecretLookup,
        open_to_all: frozenset[tuple[str, str]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._inner = inner
        self._settings = settings
        self._authenticator = authenticator
        self._secrets = secrets
        self._open_to_all = open_to_all
        self._clock = clock
        self._refused = RefusedCalls()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked: Any = scope
        if asked["type"] != "http":
            return await self._inner(scope, receive, send) if asked["type"] == "lifespan" else None
        peer = peer_of(asked.get("client"))
        who = replace(NOBODY, source=peer.source)
        sender = _Sender(send)
        site: Site | None = None
        refusal: Refusal | None = None
        try:
            headers = _headers_of(asked["headers"])
            site = await asyncio.to_thread(open_site, self._settings.state_dir, by=who)
            caller = await asyncio.to_thread(self._caller, site, asked, headers, peer)
            who = caller.principal
            body = await _body(receive, headers)
            call = _call(asked, headers, body)
            if caller.signed:
                await asyncio.to_thread(self._check_signature, site, caller, call, headers)
            desk = Desk(replace(site, by=who), caller, peer, call, self._settings, self._secrets, self._clock)
            # Routes are found by the path as it was sent, so that a name that holds a slash is still one name.
            inner: Any = {**asked, "path": asked["raw_path"].decode("latin-1"), DESK: desk}
            await self._inner(inner, _replayed(body, receive), sender)
            refusal = inner.get(REFUSED)
        except Refusal as met:
            refusal = met
            await sender.refuse(met)
        except DatabaseFault as met:
            await sender.refuse(of_database(met, str(self._settings.state_dir)))
        except Exception:
            log.exception("an administrative call failed")
            await sender.refuse(AdminFault("The call failed by a fault of the appliance."))
        finally:
            if site is not None:
                await asyncio.to_thread(self._leave, site, who, asked, refusal)

    def _caller(self, site: Site, asked: Any, headers: dict[str, str], peer: Peer) -> Caller:
        if (asked["method"], asked["raw_path"].decode("latin-1")) in self._open_to_all:
            return Caller(Principal(NOBODY.name, (), peer.source), NOBODY.name)
        caller = self._authenticator(site, bearer_in(headers.get("authorization")), peer, self._now())
        require_source(caller, peer)
        return caller

    def _check_signature(self, site: Site, caller: Caller, call: Call, headers: dict[str, str]) -> None:
        key = signing_key(site.key, caller.credential).encode()
        now = self._clock()
        found = signature.check(key, call.method, call.target, call.body_digest, headers, now)
        if not use(site, _NONCE, caller.credential, found.nonce, found.at, now):
            raise CallReplayed("This very call has been made before.")

    def _leave(self, site: Site, who: Principal, asked: Any, refusal: Refusal | None) -> None:
        try:
            if refusal is not None:
                with suppress(DatabaseFault):
                    self._refused.note(
                        site, who, asked["method"], asked["path"], refusal, self._now(), time.monotonic()
                    )
        finally:
            site.close()

    def _now(self) -> datetime:
        return datetime.fromtimestamp(int(self._clock()), UTC)


def of_database(fault: DatabaseFault, where: str) -> Refusal:
    if isinstance(fault, DatabaseUnwritable):
        return StateUnwritable(f"The state database cannot be written: {fault}.", where=where)
    return StateDamaged(f"The state database cannot be used: {fault}.", where=where)


class _Sender:
    """Puts the headers of every answer on it, and knows whether one has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun = False

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self._begun = True
            message = {**message, "headers": [*message["headers"], *HEADERS]}
        await self._send(message)

    async def refuse(self, refusal: Refusal) -> None:
        """Nothing where an answer has begun already: it ends short, which its reader sees."""
        if self._begun:
            return
        body = refusal_body(refusal)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            *refusal_headers(refusal),
        ]
        await self({"type": "http.response.start", "status": refusal.http_status, "headers": headers})
        await self({"type": "http.response.body", "body": body, "more_body": False})


def _headers_of(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Raises CallMalformed where one that decides something comes twice."""
    found: dict[str, str] = {}
    for name, value in pairs:
        lowered = name.decode("latin-1").lower()
        if lowered in found and lowered in _ASKED_ONCE:
            raise CallMalformed(f"The header {lowered} came twice.")
        found[lowered] = value.decode("latin-1")
    return found


def _call(asked: Any, headers: dict[str, str], body: bytes) -> Call:
    query = asked["query_string"]
    target = asked["raw_path"].decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")
    digest = hashlib.sha256(body).hexdigest()
    return Call(asked["method"], target, body, digest, headers.get(confirmation.HEADER))


async def _body(receive: Receive, headers: dict[str, str]) -> bytes:
    """Raises CallTooLarge, CallTooSlow."""
    is_document = headers.get("content-type", "").partition(";")[0].strip().lower() == DOCUMENT_TYPE
    limit = DOCUMENT_LIMIT if is_document else JSON_LIMIT
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message: Any = await receive()
                if message["type"] != "http.request":
                    raise CallMalformed("The call was cut off.")
                pieces.append(message.get("body", b""))
                size += len(pieces[-1])
                if size > limit:
                    raise CallTooLarge(f"The body has more than {limit} bytes.")
                if not message.get("more_body"):
                    return b"".join(pieces)
    except TimeoutError:
        raise CallTooSlow(f"The body did not arrive within {BODY_SECONDS:.0f} seconds.") from None


def _replayed(body: bytes, further: Receive) -> Receive:
    """The body that has been read, and after it what comes: that the caller has gone."""
    told = False

    async def receive() -> Any:
        nonlocal told
        if told:
            return await further()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
