"""Handing the answer on: whole or as a stream, and its entry in the journal before its last byte leaves."""

from __future__ import annotations

import asyncio
import logging

from litestar.types import Receive, Send

from appliance.errors import StateUnwritable
from appliance.gateway.answer import Streaming, Whole
from appliance.gateway.departure import Departure
from appliance.gateway.errors import (
    Fault,
    NoRoute,
    UpstreamBusy,
    UpstreamDown,
    UpstreamRefusedRequest,
    body_for,
    error_event,
)
from appliance.gateway.event_stream import Bytes
from appliance.gateway.exchange import Exchange
from appliance.gateway.failover import first_answer
from appliance.gateway.frame_cutter import FrameTooLarge
from appliance.gateway.request import ClientGone
from appliance.gateway.worker import Worker
from appliance.ledger.entry import Outcome
from appliance.providers.call import UnreadableAnswer
from licensing.errors import Refusal

log = logging.getLogger("ao.gateway")

Headers = tuple[tuple[bytes, bytes], ...]

_STREAM_HEADERS: Headers = (
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)
_DRAIN_SECONDS = 1.0


async def relay(worker: Worker, exchange: Exchange, headers: Headers, receive: Receive, send: Send) -> None:
    """Answers the app. However it ends, the exchange has its one entry before the last byte goes out."""
    out = _Outgoing(send, exchange)
    streams = 1 if exchange.call.stream else 0
    worker.streams += streams
    try:
        async with Departure(receive, out, lambda: _grace(exchange)):
            answer = await first_answer(worker, exchange)
            if isinstance(answer, Streaming):
                await _stream(worker, exchange, answer, headers, out)
            else:
                await _whole(worker, exchange, answer, headers, out)
    except ClientGone:
        exchange.reply_status = exchange.reply_status or 499
        worker.settle(exchange, Outcome.CLIENT_GONE)
    except asyncio.CancelledError:
        worker.settle(exchange, Outcome.INTERRUPTED)
        raise
    except Exception as error:  # noqa: BLE001 - the last line of defence: an entry and an answer, whatever went wrong
        await _refuse(worker, exchange, error, headers, out)
    finally:
        worker.streams -= streams
        worker.let_go(exchange)


def _grace(exchange: Exchange) -> float:
    """How long a call that nobody waits for any more may go on, for the sake of its true count (seconds)."""
    if exchange.route is None or exchange.route.deployment.on_departure != "drain":
        return 0.0
    exchange.gone = True
    return exchange.route.deployment.drain_seconds


class _Outgoing:
    """Sends, and remembers whether the reply's head has gone out: after that its status can no longer be changed.

    Nothing is sent to an app that is gone. `begun` and `sent` count what was given and what was taken.
    """

    def __init__(self, send: Send, exchange: Exchange) -> None:
        self.yet = False
        self.begun = 0
        self.sent = 0
        self.number = 0
        self.opaque = False
        self._send = send
        self._exchange = exchange

    async def head(self, status: int, headers: Headers) -> None:
        self.yet = True
        if not self._exchange.gone:
            await self._send({"type": "http.response.start", "status": status, "headers": list(headers)})

    async def body(self, data: bytes, *, more: bool) -> None:
        if self._exchange.gone:
            return
        self.begun += 1
        await self._send({"type": "http.response.body", "body": data, "more_body": more})
        self.sent += 1


def _settle(worker: Worker, exchange: Exchange, outcome: Outcome) -> None:
    worker.settle(exchange, Outcome.CLIENT_GONE if exchange.gone else outcome)


async def _whole(worker: Worker, exchange: Exchange, answer: Whole, headers: Headers, out: _Outgoing) -> None:
    exchange.reply_status = answer.status
    _settle(worker, exchange, Outcome.COMPLETE)
    await out.head(
        answer.status,
        (
            (b"content-type", answer.content_type.encode()),
            (b"content-length", b"%d" % len(answer.body)),
            *answer.headers,
            *headers,
            *exchange.told,
        ),
    )
    await out.body(answer.body, more=False)


async def _stream(worker: Worker, exchange: Exchange, answer: Streaming, headers: Headers, out: _Outgoing) -> None:
    meter = answer.meter
    exchange.reply_status = 200
    exchange.first_token = worker.monotonic()
    try:
        await out.head(
            200,
            (
                (b"content-type", answer.content_type.encode("latin-1")),
                *_STREAM_HEADERS,
                *headers,
                *exchange.told,
            ),
        )
        chunk: bytes | None = answer.first
        while chunk is not None and not meter.done:
            ready = meter.feed(chunk)
            if ready:
                await out.body(ready, more=True)
            if not meter.done:
                chunk = await anext(answer.rest, None)
        if not meter.done and not meter.finished:
            raise UpstreamDown("The model server broke off its answer.")
        closing = meter.closing()
        exchange.usage, exchange.content_frames = meter.usage, meter.content_frames
        _settle(worker, exchange, Outcome.UPSTREAM_FAILED if meter.failed else Outcome.COMPLETE)
        await out.body(closing, more=False)
        await _drain(answer)
    except FrameTooLarge as exc:
        raise UpstreamDown("The model server sent an event without an end.") from exc
    except UnreadableAnswer as exc:
        raise UpstreamDown("The model server's answer is not in its provider's shape.") from exc
    finally:
        exchange.usage, exchange.content_frames = meter.usage, meter.content_frames
        out.number, out.opaque = meter.number, isinstance(meter, Bytes)
        await answer.reply.close()


async def _drain(answer: Streaming) -> None:
    """Reads to the stream's true end, so that its connection can be used again."""
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            await anext(answer.rest, None)
    except (TimeoutError, Refusal):
        return


async def _refuse(worker: Worker, exchange: Exchange, error: Exception, headers: Headers, out: _Outgoing) -> None:
    refusal = error if isinstance(error, Refusal) else Fault("The gateway failed on this request.")
    if not isinstance(error, Refusal):
        log.error("%s: fault of type %s", exchange.id, type(error).__name__, exc_info=error)
    if isinstance(refusal, UpstreamRefusedRequest | UpstreamBusy | NoRoute):
        outcome = Outcome.UPSTREAM_REFUSED
    else:
        outcome = Outcome.FAULT if isinstance(refusal, Fault | StateUnwritable) else Outcome.UPSTREAM_FAILED
    exchange.reply_status = refusal.http_status
    worker.counts.refused(refusal.code, refusal.http_status)
    if not isinstance(refusal, StateUnwritable):
        _settle(worker, exchange, outcome)
    endpoint = exchange.call.endpoint
    if out.yet:
        if out.opaque:
            # Sound has no way to tell an error. The reply ends without its end, so that nobody takes it for whole.
            return
        await out.body(error_event(endpoint, refusal, exchange.id, out.number), more=False)
        return
    body = body_for(endpoint, refusal, exchange.id)
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
