"""Handing the answer on: whole or as a stream, and its entry in the journal before its last byte leaves."""

from __future__ import annotations

import asyncio
import logging

from litestar.types import Receive, Send

from appliance.errors import StateUnwritable
from appliance.gateway.answer import Streaming, Whole
from appliance.gateway.departure import Departure
from appliance.gateway.errors import Fault, NoRoute, UpstreamBusy, UpstreamDown, UpstreamRefusedRequest, error_body
from appliance.gateway.exchange import Exchange
from appliance.gateway.failover import first_answer
from appliance.gateway.request import ClientGone
from appliance.gateway.stream import DONE, FrameTooLarge, Relay
from appliance.gateway.worker import Worker
from appliance.ledger.entry import Outcome
from licensing.errors import Refusal

log = logging.getLogger("ao.gateway")

Headers = tuple[tuple[bytes, bytes], ...]

_STREAM_HEADERS: Headers = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)
_DRAIN_SECONDS = 1.0


async def relay(worker: Worker, exchange: Exchange, headers: Headers, receive: Receive, send: Send) -> None:
    """Answers the app. However it ends, the exchange has its one entry before the last byte goes out."""
    started = _Started(send)
    try:
        async with Departure(receive):
            answer = await first_answer(worker, exchange)
            if isinstance(answer, Streaming):
                await _stream(worker, exchange, answer, headers, started)
            else:
                await _whole(worker, exchange, answer, headers, started)
    except ClientGone:
        exchange.reply_status = exchange.reply_status or 499
        worker.settle(exchange, Outcome.CLIENT_GONE)
    except asyncio.CancelledError:
        worker.settle(exchange, Outcome.INTERRUPTED)
        raise
    except Exception as error:  # noqa: BLE001 - the last line of defence: an entry and an answer, whatever went wrong
        await _refuse(worker, exchange, error, headers, started)
    finally:
        worker.let_go(exchange)


class _Started:
    """Sends, and remembers whether the reply's head has gone out: after that its status can no longer be changed."""

    def __init__(self, send: Send) -> None:
        self.yet = False
        self._send = send

    async def head(self, status: int, headers: Headers) -> None:
        self.yet = True
        await self._send({"type": "http.response.start", "status": status, "headers": list(headers)})

    async def body(self, data: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": more})


async def _whole(worker: Worker, exchange: Exchange, answer: Whole, headers: Headers, out: _Started) -> None:
    exchange.reply_status = answer.status
    worker.settle(exchange, Outcome.COMPLETE)
    await out.head(
        answer.status,
        (
            (b"content-type", answer.content_type.encode()),
            (b"content-length", b"%d" % len(answer.body)),
            *headers,
            *exchange.told,
        ),
    )
    await out.body(answer.body, more=False)


async def _stream(worker: Worker, exchange: Exchange, answer: Streaming, headers: Headers, out: _Started) -> None:
    frames = Relay(show_usage=exchange.call.wants_usage, choices=exchange.call.choices)
    exchange.reply_status = 200
    exchange.first_token = worker.monotonic()
    try:
        await out.head(200, (*_STREAM_HEADERS, *headers, *exchange.told))
        chunk: bytes | None = answer.first
        while chunk is not None and not frames.done:
            ready = frames.feed(chunk)
            if ready:
                await out.body(ready, more=True)
            if not frames.done:
                chunk = await anext(answer.rest, None)
        if not frames.done and not frames.finished:
            raise UpstreamDown("The model server broke off its answer.")
        exchange.usage, exchange.content_frames = frames.usage, frames.content_frames
        worker.settle(exchange, Outcome.UPSTREAM_FAILED if frames.failed else Outcome.COMPLETE)
        await out.body(DONE, more=False)
        await _drain(answer)
    except FrameTooLarge as exc:
        raise UpstreamDown("The model server sent an event without an end.") from exc
    finally:
        exchange.usage, exchange.content_frames = frames.usage, frames.content_frames
        await answer.reply.close()


async def _drain(answer: Streaming) -> None:
    """Reads to the stream's true end, so that its connection can be used again."""
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            await anext(answer.rest, None)
    except (TimeoutError, Refusal):
        return


async def _refuse(worker: Worker, exchange: Exchange, error: Exception, headers: Headers, out: _Started) -> None:
    refusal = error if isinstance(error, Refusal) else Fault("The gateway failed on this request.")
    if not isinstance(error, Refusal):
        log.error("%s: fault of type %s", exchange.id, type(error).__name__, exc_info=error)
    if isinstance(refusal, UpstreamRefusedRequest | UpstreamBusy | NoRoute):
        outcome = Outcome.UPSTREAM_REFUSED
    else:
        outcome = Outcome.FAULT if isinstance(refusal, Fault | StateUnwritable) else Outcome.UPSTREAM_FAILED
    exchange.reply_status = refusal.http_status
    if not isinstance(refusal, StateUnwritable):
        worker.settle(exchange, outcome)
    body = error_body(refusal)
    if out.yet:
        await out.body(b"event: error\ndata: " + body + b"\n\n", more=False)
        return
    extra: Headers = getattr(refusal, "headers", ())
    await out.head(
        refusal.http_status,
        (
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            *extra,
            *headers,
            *exchange.told,
        ),
    )
    await out.body(body, more=False)
