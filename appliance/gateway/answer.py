"""One deployment's answer to a call: sent in its wire, read back, its refusals told in the gateway's own words.

What an upstream refuses for a reason of the app's own (a 4xx) is UpstreamRefusedRequest, and final. What it cannot do
now, or refuses because of this gateway's credentials or config, is UpstreamDown, UpstreamBusy or UpstreamTimeout.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import msgspec

from appliance.gateway.dialects.known import COUNT_TOKENS, DIALECTS, Dialect
from appliance.gateway.errors import (
    BodySpent,
    GatewayRefusal,
    InvalidRequest,
    UpstreamBusy,
    UpstreamDown,
    UpstreamMisconfigured,
    UpstreamOverloaded,
    UpstreamRefusedRequest,
    UpstreamTimeout,
)
from appliance.gateway.event_stream import Bytes, meter_of
from appliance.gateway.exchange import Exchange
from appliance.gateway.request import ClientGone
from appliance.gateway.snapshot import Route
from appliance.gateway.stream import Meter
from appliance.gateway.upstream import UpstreamClient, send
from appliance.gateway.usage_report import Usage, reply_in, usage_of
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

EVENT_STREAM = "text/event-stream; charset=utf-8"
MAY_BE_BYTES = frozenset({"audio/speech", "audio/transcriptions", "audio/translations"})
MAY_STREAM_UNASKED = MAY_BE_BYTES | {"images/edits"}
"""Endpoints whose request asks for a stream in a part of a form, or by another member than `stream`."""

TOKEN_SECONDS = 60.0
"""A token's fetching belongs to no call, so it has a limit of its own."""

_NO_SUCH_ENDPOINT = (404, 405, 501)
_NOTHING_USED = Usage()
_MESSAGE_LIMIT = 2000
_WORD_LIMIT = 128


@dataclass(slots=True)
class Whole:
    """A reply whose body is here."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(slots=True)
class Streaming:
    """A stream whose first chunk is here: the point of no return. `meter` counts it and says how it ends well."""

    reply: Reply
    first: bytes
    rest: AsyncIterator[bytes]
    meter: Meter
    content_type: str = EVENT_STREAM


class _Lacking(Exception):
    """The server has no such endpoint, or no such model: asking it for chat will tell which."""


async def answer_of(client: UpstreamClient, exchange: Exchange, route: Route) -> Whole | Streaming:
    """Raises UpstreamDown, UpstreamTimeout, UpstreamBusy, UpstreamRefusedRequest, InvalidRequest, BodySpent, and
    ClientGone where nobody waits for another deployment's answer."""
    call = exchange.call
    if exchange.attempts > 1:
        if exchange.gone:
            raise ClientGone
        # A retry is dated anew.
        call = replace(call, at=exchange.started_at / 1000 + time.monotonic() - exchange.started)
    wire = route.provider.wires.get(call.endpoint)
    if call.endpoint not in DIALECTS:
        if wire is None and call.endpoint == COUNT_TOKENS:
            return _estimate(exchange)
        return await _answered(client, exchange, route, call, wire)
    lacking = (route.deployment.api_base or route.deployment.provider, call.endpoint)
    if wire is not None and not client.lacks(lacking):
        try:
            return await _answered(client, exchange, route, call, wire)
        except _Lacking:
            answer = await _through_chat(client, exchange, route, call)
            client.note_lack(lacking)
            return answer
    return await _through_chat(client, exchange, route, call)


async def _through_chat(client: UpstreamClient, exchange: Exchange, route: Route, call: Call) -> Whole | Streaming:
    dialect = DIALECTS[call.endpoint]
    try:
        chat = dialect.as_chat(call)
    except CannotTranslate as exc:
        raise InvalidRequest(exc.message, param=exc.param) from exc
    return await _answered(client, exchange, route, chat, route.provider.wires.get(chat.endpoint), dialect)


async def _answered(
    client: UpstreamClient,
    exchange: Exchange,
    route: Route,
    call: Call,
    wire: Wire | None,
    dialect: Dialect | None = None,
) -> Whole | Streaming:
    """What the deployment says to `call`, turned back into the dialect in which the app has asked."""
    reply = await _open(client, call, route, wire)
    kept_open = False
    try:
        if not 200 <= reply.status < 300:
            if reply.status in _NO_SUCH_ENDPOINT and call.endpoint in DIALECTS:
                raise _Lacking
            raise _refusal_of(*_meant(reply.status, await reply.read(), wire), reply.retry_after, route)
        if reply.content_encoding not in (None, "identity"):
            raise UpstreamDown("The model server's answer is in an encoding that was not asked for.")
        meter = _meter(reply, exchange.call, dialect)
        if meter is not None:
            chunks = _translated(wire.stream(call), reply) if wire and wire.stream else reply.chunks()
            first = await anext(chunks, None)
            if first is None:
                raise UpstreamDown("The model server closed its stream before it began.")
            kept_open = True
            kind = reply.content_type if isinstance(meter, Bytes) else EVENT_STREAM
            return Streaming(reply, first, chunks, meter, kind)
        return _whole(exchange, reply.status, await reply.read(), call, wire, dialect)
    finally:
        if not kept_open:
            await reply.close()


def _meter(reply: Reply, call: Call, dialect: Dialect | None) -> Meter | None:
    """How the answer is read as it comes; None where it is to be read whole."""
    if _is_stream(reply):
        takes_stream = call.stream or call.endpoint in MAY_STREAM_UNASKED
        return meter_of(call, dialect) if takes_stream else None
    if call.endpoint in MAY_BE_BYTES and "json" not in reply.content_type:
        return Bytes()
    return None


def _whole(
    exchange: Exchange, status: int, body: bytes, call: Call, wire: Wire | None, dialect: Dialect | None
) -> Whole:
    """Reads what the body tells of usage, and tells it in the app's dialect."""
    try:
        if wire is not None and wire.whole is not None:
            body = wire.whole(call, body)
        told = reply_in(body)
        if told.failed:
            raise UpstreamDown("The model server answered with an error.")
        exchange.usage = _NOTHING_USED if call.endpoint == COUNT_TOKENS else usage_of(told)
        if dialect is not None:
            body = dialect.whole(exchange.call, body)
    except msgspec.DecodeError as exc:
        raise UpstreamDown("The model server's answer is not JSON.") from exc
    except UnreadableAnswer as exc:
        raise UpstreamDown("The model server's answer is not in its provider's shape.") from exc
    return Whole(status, "application/json", body)


def _estimate(exchange: Exchange) -> Whole:
    """How many tokens a message would have, where nobody is there to count them: a guess, and marked as one."""
    exchange.usage = _NOTHING_USED
    count = max(1, exchange.estimated_prompt_tokens)
    body = msgspec.json.encode({"input_tokens": count, "estimated": True})
    return Whole(200, "application/json", body, ((b"x-ao-token-count", b"estimated"),))


async def _open(client: UpstreamClient, call: Call, route: Route, wire: Wire | None) -> Reply:
    if route.provider.answer is not None:
        return route.provider.answer(call, route.deployment)
    if wire is None:
        raise UpstreamDown("The provider of this deployment has no such endpoint.")
    if call.form is not None and call.form.spent:
        raise BodySpent("The model server failed on the upload, which can be given to one server only; send it again.")
    key = route.api_key
    if route.provider.grant is not None and key is not None:
        key = await _token(client, route.provider.grant, key, call.at, route.deployment.timeouts.connect_seconds)
    try:
        request = wire.request(call, route.deployment, key)
    except CannotTranslate as exc:
        raise InvalidRequest(exc.message, param=exc.param) from exc
    except msgspec.DecodeError as exc:
        raise InvalidRequest("The member stream_options is not an object.", param="stream_options") from exc
    if call.passed:
        request = replace(request, headers=(*request.headers, *call.passed))
    try:
        return await send(client, request, route.deployment.timeouts.connect_seconds)
    except UpstreamDown:
        if call.form is not None and call.form.fault is not None:
            raise call.form.fault from None
        raise


async def _token(client: UpstreamClient, grant: TokenGrant, credential: str, now: float, connect_seconds: float) -> str:
    """The access token for a credential. Raises UpstreamDown, UpstreamTimeout: the next deployment may have one."""

    async def fetch() -> AccessToken:
        try:
            async with asyncio.timeout(TOKEN_SECONDS):
                reply = await send(client, grant.request(credential, now), connect_seconds)
                try:
                    if reply.status != 200:
                        raise UpstreamDown("The model server's provider gave no access token.")
                    return grant.read(await reply.read(), now)
                finally:
                    await reply.close()
        except TimeoutError as exc:
            raise UpstreamTimeout("The model server's provider gave no access token in time.") from exc
        except (ValueError, UnreadableAnswer) as exc:
            raise UpstreamDown("The model server's provider gave no access token.") from exc

    return await client.tokens.token(credential, now, fetch)


def _is_stream(reply: Reply) -> bool:
    """text/event-stream, or AWS's application/vnd.amazon.eventstream."""
    return "event-stream" in reply.content_type or "amazon.eventstream" in reply.content_type


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


def _meant(status: int, body: bytes, wire: Wire | None) -> tuple[int, bytes]:
    return wire.refusal(status, body) if wire is not None and wire.refusal is not None else (status, body)


def _refusal_of(status: int, body: bytes, retry_after: int | None, route: Route) -> GatewayRefusal:
    if status in (401, 403):
        return UpstreamMisconfigured("The model server refused this gateway's own credentials.")
    if status == 404:
        return UpstreamMisconfigured(
            "The model server does not know the model that the config names, or has no such endpoint."
        )
    headers = () if retry_after is None else ((b"retry-after", b"%d" % retry_after),)
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
    # An AWS key is an id and a secret in one.
    parts_of_key = [part for part in (route.api_key or "").split(":") if len(part) >= 16]
    return [text for text in (route.api_key, *parts_of_key, *places) if text]
