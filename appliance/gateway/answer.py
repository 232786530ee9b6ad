"""One deployment's answer to a call: sent in its wire, read back, its refusals told in the gateway's own words.

What an upstream refuses for a reason of the app's own (a 4xx) is UpstreamRefusedRequest, and final. What it cannot do
now, or refuses because of this gateway's credentials or config, is UpstreamDown, UpstreamBusy or UpstreamTimeout.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import msgspec

from appliance.gateway.errors import (
    GatewayRefusal,
    InvalidRequest,
    UpstreamBusy,
    UpstreamDown,
    UpstreamRefusedRequest,
)
from appliance.gateway.exchange import Exchange
from appliance.gateway.snapshot import Route
from appliance.gateway.upstream import UpstreamClient, send
from appliance.gateway.usage_report import reply_in, usage_of
from appliance.providers.call import (
    AccessToken,
    Call,
    CannotTranslate,
    Reply,
    TokenGrant,
    Translation,
    UnreadableAnswer,
    Wire,
)

_MESSAGE_LIMIT = 2000
_WORD_LIMIT = 128


@dataclass(slots=True)
class Whole:
    """A reply whose body is here."""

    status: int
    content_type: str
    body: bytes


@dataclass(slots=True)
class Streaming:
    """A stream whose first chunk is here: the point of no return."""

    reply: Reply
    first: bytes
    rest: AsyncIterator[bytes]


async def answer_of(client: UpstreamClient, exchange: Exchange, route: Route) -> Whole | Streaming:
    """Raises UpstreamDown, UpstreamTimeout, UpstreamBusy, UpstreamRefusedRequest, InvalidRequest."""
    # The wall clock was read when the exchange began; what has passed since is added, so that a retry is dated anew.
    call = replace(exchange.call, at=exchange.started_at / 1000 + time.monotonic() - exchange.started)
    wire = route.provider.wires.get(call.endpoint)
    reply = await _open(client, call, route, wire)
    kept_open = False
    try:
        if not 200 <= reply.status < 300:
            raise _refusal_of(*_told(reply.status, await reply.read(), wire), reply.retry_after, route)
        if call.stream and _is_stream(reply):
            chunks = _translated(wire.stream(call), reply) if wire and wire.stream else reply.chunks()
            first = await anext(chunks, None)
            if first is None:
                raise UpstreamDown("The model server closed its stream before it began.")
            kept_open = True
            return Streaming(reply, first, chunks)
        body = await reply.read()
        if wire is not None and wire.whole is not None:
            body = _whole(wire, call, body)
        try:
            told = reply_in(body)
        except msgspec.DecodeError as exc:
            raise UpstreamDown("The model server's answer is not JSON.") from exc
        if told.failed:
            raise UpstreamDown("The model server answered with an error.")
        exchange.usage = usage_of(told)
        return Whole(reply.status, "application/json", body)
    finally:
        if not kept_open:
            await reply.close()


async def _open(client: UpstreamClient, call: Call, route: Route, wire: Wire | None) -> Reply:
    if route.provider.answer is not None:
        return route.provider.answer(call, route.deployment)
    if wire is None:
        raise UpstreamDown("The provider of this deployment has no such endpoint.")
    key = route.api_key
    if route.provider.grant is not None and key is not None:
        key = await _token(client, route.provider.grant, key, call.at)
    try:
        request = wire.request(call, route.deployment, key)
    except CannotTranslate as exc:
        raise InvalidRequest(exc.message, param=exc.param) from exc
    except msgspec.DecodeError as exc:
        raise InvalidRequest("The member stream_options is not an object.", param="stream_options") from exc
    return await send(client, request, stream=call.stream)


async def _token(client: UpstreamClient, grant: TokenGrant, credential: str, now: float) -> str:
    """The access token for a credential. Raises UpstreamDown, UpstreamTimeout: the next deployment may have one."""

    async def fetch() -> AccessToken:
        try:
            reply = await send(client, grant.request(credential, now), stream=False)
            try:
                if reply.status != 200:
                    raise UpstreamDown("The model server's provider gave no access token.")
                return grant.read(await reply.read(), now)
            finally:
                await reply.close()
        except (ValueError, UnreadableAnswer) as exc:
            raise UpstreamDown("The model server's provider gave no access token.") from exc

    return await client.tokens.token(credential, now, fetch)


def _is_stream(reply: Reply) -> bool:
    """text/event-stream, or AWS's application/vnd.amazon.eventstream."""
    return "event-stream" in reply.content_type or "amazon.eventstream" in reply.content_type


def _whole(wire: Wire, call: Call, body: bytes) -> bytes:
    try:
        return wire.whole(call, body) if wire.whole else body
    except UnreadableAnswer as exc:
        raise UpstreamDown("The model server's answer is not in its provider's shape.") from exc


async def _translated(translation: Translation, reply: Reply) -> AsyncIterator[bytes]:
    """The stream in the endpoint's own shape: whole frames, as soon as there are any."""
    try:
        async for chunk in reply.chunks():
            if frames := translation.feed(chunk):
                yield frames
        if frames := translation.finish():
            yield frames
    except UnreadableAnswer as exc:
        raise UpstreamDown("The model server's answer is not in its provider's shape.") from exc


def _told(status: int, body: bytes, wire: Wire | None) -> tuple[int, bytes]:
    return wire.refusal(status, body) if wire is not None and wire.refusal is not None else (status, body)


def _refusal_of(status: int, body: bytes, retry_after: str | None, route: Route) -> GatewayRefusal:
    if status in (401, 403):
        return UpstreamDown("The model server refused this gateway's own credentials.")
    if status == 404:
        return UpstreamDown("The model server does not know the model that the config names.")
    if status == 429:
        wait = retry_after or ""
        headers = ((b"retry-after", wait.encode()),) if wait.isascii() and wait.isdigit() else ()
        return UpstreamBusy("The model server is at its own limit.", headers=headers)
    if 400 <= status < 500 and status != 408:
        return _passed_on(status, body, route)
    return UpstreamDown(f"The model server failed (status {status}).")


def _passed_on(status: int, body: bytes, route: Route) -> UpstreamRefusedRequest:
    """The upstream's own words about the app's mistake, without its address or anybody's key."""
    error = _error_in(body)
    message = error.get("message")
    text = message if isinstance(message, str) and message else f"The model server refused the request ({status})."
    secrets = _not_to_be_told(route)
    kind, param, code = (
        _without(secrets, told)[:_WORD_LIMIT] if isinstance(told := error.get(name), str) else None
        for name in ("type", "param", "code")
    )
    return UpstreamRefusedRequest(
        _without(secrets, text)[:_MESSAGE_LIMIT], status=status, kind=kind, param=param, code=code
    )


def _without(secrets: list[str], text: str) -> str:
    for secret in secrets:
        text = text.replace(secret, "…")
    return text


def _error_in(body: bytes) -> dict[str, Any]:
    try:
        members = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return {}
    if not isinstance(members, dict):
        return {}
    error = members.get("error", members)
    return error if isinstance(error, dict) else {"message": error}


def _not_to_be_told(route: Route) -> list[str]:
    base = route.deployment.api_base
    parts = urlsplit(base) if base else None
    places = (base, parts.netloc, parts.hostname) if parts else ()
    # An AWS key is an id and a secret in one.
    parts_of_key = [part for part in (route.api_key or "").split(":") if len(part) >= 16]
    return [text for text in (route.api_key, *parts_of_key, *places) if text]
