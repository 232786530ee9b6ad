"""One deployment's answer to a call: sent in its wire, read back, its refusals told in the gateway's own words.

What an upstream refuses for a reason of the app's own (a 4xx) is UpstreamRefusedRequest, and final. What it cannot do
now, or refuses because of this gateway's credentials or config, is UpstreamDown, UpstreamBusy or UpstreamTimeout.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from appliance.gateway.errors import (
    GatewayRefusal,
    InvalidRequest,
    UpstreamBusy,
    UpstreamDown,
    UpstreamMisconfigured,
    UpstreamOverloaded,
    UpstreamRefusedRequest,
)
from appliance.gateway.exchange import Exchange
from appliance.gateway.snapshot import Route
from appliance.gateway.upstream import UpstreamClient, send
from appliance.gateway.usage_report import reply_in, usage_of
from appliance.providers.call import Call, Reply

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
    call = exchange.call
    reply = await _open(client, call, route)
    kept_open = False
    try:
        if not 200 <= reply.status < 300:
            raise _refusal_of(reply, await reply.read(), route)
        if call.stream and "event-stream" in reply.content_type:
            chunks = reply.chunks()
            first = await anext(chunks, None)
            if first is None:
                raise UpstreamDown("The model server closed its stream before it began.")
            kept_open = True
            return Streaming(reply, first, chunks)
        body = await reply.read()
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


async def _open(client: UpstreamClient, call: Call, route: Route) -> Reply:
    if route.provider.answer is not None:
        return route.provider.answer(call, route.deployment)
    wire = route.provider.wires.get(call.endpoint)
    if wire is None:
        raise UpstreamDown("The provider of this deployment has no such endpoint.")
    try:
        request = wire.request(call, route.deployment, route.api_key)
    except msgspec.DecodeError as exc:
        raise InvalidRequest("The member stream_options is not an object.", param="stream_options") from exc
    return await send(client, request, stream=call.stream)


def _refusal_of(reply: Reply, body: bytes, route: Route) -> GatewayRefusal:
    status = reply.status
    if status in (401, 403):
        return UpstreamMisconfigured("The model server refused this gateway's own credentials.")
    if status == 404:
        return UpstreamMisconfigured("The model server does not know the model that the config names.")
    wait = reply.retry_after or ""
    headers = ((b"retry-after", wait.encode()),) if wait.isascii() and wait.isdigit() else ()
    if status == 429:
        return UpstreamBusy("The model server is at its own limit.", headers=headers)
    if status == 503 and headers:
        return UpstreamOverloaded("The model server cannot take more on now.", headers=headers)
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
    return [text for text in (route.api_key, *places) if text]
