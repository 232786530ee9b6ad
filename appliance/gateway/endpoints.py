"""The paths that apps know. A raw ASGI route: it is measured, and models of the body on this path would cost a third.

`_exchange` is the whole story of a call, in order: key, body, rung and model, caps, journal, answer.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import cast
from urllib.parse import unquote

import msgspec
from litestar import Response, asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import HTTPScope, Receive, Scope, Send

from appliance.gateway.admission import authenticate, rate_headers, routes_for, spend
from appliance.gateway.errors import Fault, MethodNotAllowed, ModelNotFound, PathNotFound, error_body
from appliance.gateway.exchange import BYTES_PER_TOKEN, Exchange
from appliance.gateway.relay import Headers, relay
from appliance.gateway.request import ClientGone, parse_call, read_body
from appliance.gateway.worker import Worker
from licensing.errors import Refusal

log = logging.getLogger("ao.gateway")

CALLS = frozenset({"chat/completions", "embeddings"})
_JSON = (b"content-type", b"application/json")


def endpoints(worker: Callable[[], Worker]) -> list[ASGIRouteHandler]:
    """The gateway's routes. `worker` gives this process's worker, which exists once the app has started."""

    @asgi("/v1", is_mount=True, copy_scope=False)
    async def v1(scope: Scope, receive: Receive, send: Send) -> None:
        await _answer(worker(), cast(HTTPScope, scope), receive, send, _v1)

    @asgi("/healthz", copy_scope=False)
    async def healthz(scope: Scope, receive: Receive, send: Send) -> None:
        """The process lives. Says nothing about whether it may serve."""
        await _send(send, 200, b'{"status":"alive"}', _plain(worker()))

    @asgi("/readyz", copy_scope=False)
    async def readyz(scope: Scope, receive: Receive, send: Send) -> None:
        """Whether a call would be answered now; if not, the code of the reason. Names aliases that nobody answers, and
        no address."""
        refusal = (await worker().snapshot()).refusal
        body: dict[str, object] = {"ready": refusal is None} | ({"code": refusal.code} if refusal else {})
        if resting := worker().health.resting_aliases(worker().monotonic()):
            body["no_healthy_deployment"] = resting
        await _send(send, 503 if refusal else 200, msgspec.json.encode(body), _plain(worker()))

    @asgi("/", copy_scope=False)
    async def root(scope: Scope, receive: Receive, send: Send) -> None:
        """Some clients ask HEAD / to see whether anybody is there."""
        await _send(send, 200, b'{"product":"AO Appliance","api":"/v1"}', _plain(worker()))

    return [v1, healthz, readyz, root]


Handler = Callable[[Worker, HTTPScope, Receive, Send, str], Awaitable[None]]


async def _answer(worker: Worker, scope: HTTPScope, receive: Receive, send: Send, handler: Handler) -> None:
    """Runs a handler; what it refuses before an exchange has begun is answered here."""
    request_id = worker.next_id()
    try:
        await handler(worker, scope, receive, send, request_id)
        return
    except ClientGone:
        return
    except Refusal as exc:
        refusal = exc
    except Exception:
        log.exception("%s: fault", request_id)
        refusal = Fault("The gateway failed on this request.")
    extra: Headers = getattr(refusal, "headers", ())
    await _send(send, refusal.http_status, error_body(refusal), (_JSON, *extra, (b"x-request-id", request_id.encode())))


async def _v1(worker: Worker, scope: HTTPScope, receive: Receive, send: Send, request_id: str) -> None:
    endpoint = scope["path"].removeprefix("/v1").strip("/")
    if endpoint in CALLS:
        _require(scope, "POST")
        await _exchange(worker, endpoint, scope, receive, send, request_id)
    elif endpoint == "models" or endpoint.startswith("models/"):
        _require(scope, "GET", "HEAD")
        await _models(worker, endpoint.removeprefix("models").removeprefix("/"), scope, send, request_id)
    else:
        raise PathNotFound(f"There is no /v1/{endpoint[:100]} here.")


async def _exchange(
    worker: Worker, endpoint: str, scope: HTTPScope, receive: Receive, send: Send, request_id: str
) -> None:
    snapshot = await worker.snapshot()
    now = worker.now()
    asked = dict(scope["headers"])
    key = authenticate(snapshot, asked, now)
    started = worker.monotonic()
    body = await read_body(receive)
    call = parse_call(endpoint, body, scope["query_string"].decode("latin-1"))
    routes_for(snapshot, call.model)
    decision = spend(snapshot, worker.window, worker.window_time())
    exchange = Exchange(
        id=request_id,
        call=call,
        key=key,
        snapshot=snapshot,
        started_at=int(now.timestamp() * 1000),
        started=started,
        estimated_prompt_tokens=len(body) // BYTES_PER_TOKEN,
        headers=asked,
    )
    exchange.begin(worker.journal)
    headers = ((b"x-request-id", request_id.encode()), *rate_headers(snapshot, decision))
    await relay(worker, exchange, headers, receive, send)


async def _models(worker: Worker, alias: str, scope: HTTPScope, send: Send, request_id: str) -> None:
    snapshot = await worker.snapshot()
    authenticate(snapshot, dict(scope["headers"]), worker.now())
    if snapshot.refusal is not None:
        raise snapshot.refusal
    if alias:
        body = snapshot.models.get(unquote(alias))
        if body is None:
            raise ModelNotFound(f"There is no model {alias[:128]!r} here.", param="model")
    else:
        body = b'{"object":"list","data":[' + b",".join(snapshot.models.values()) + b"]}"
    await _send(send, 200, body, (_JSON, (b"x-request-id", request_id.encode())))


def no_such_path(worker: Worker) -> Response[bytes]:
    """What is answered on every path that is none, in the same envelope as everything else."""
    refusal = PathNotFound("There is nothing here; the API is below /v1.")
    return Response(
        error_body(refusal),
        status_code=refusal.http_status,
        media_type="application/json",
        headers={"x-request-id": worker.next_id()},
    )


def _id(request_id: str) -> tuple[bytes, bytes]:
    return (b"x-request-id", request_id.encode())


def _plain(worker: Worker) -> Headers:
    return (_JSON, _id(worker.next_id()))


def _require(scope: HTTPScope, *methods: str) -> None:
    if scope["method"] not in methods:
        raise MethodNotAllowed(f"Use {' or '.join(methods)} here.", headers=((b"allow", ", ".join(methods).encode()),))


async def _send(send: Send, status: int, body: bytes, headers: Headers) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})
