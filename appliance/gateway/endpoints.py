"""The paths that apps know. A raw ASGI route: it is measured, and models of the body on this path would cost a third.

`_exchange` is the whole story of a call, in order: key, body, rung and model, caps, journal, answer.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import unquote

import msgspec
from litestar import Response, asgi
from litestar.enums import ScopeType
from litestar.handlers import ASGIRouteHandler
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from appliance.access.network import network_of
from appliance.gateway.admission import authenticate, known_key, routes_for, spend
from appliance.gateway.ask import NOTHING, ask_of
from appliance.gateway.dialects.models import anthropic_model_list, as_anthropic_model
from appliance.gateway.errors import (
    Fault,
    MethodNotAllowed,
    ModelNotFound,
    PathNotFound,
    RateLimited,
    TooManyStreams,
    body_for,
    error_body,
    speaks_anthropic,
)
from appliance.gateway.exchange import BYTES_PER_TOKEN, Exchange
from appliance.gateway.farewell import Farewell, closing
from appliance.gateway.full import rate_headers
from appliance.gateway.relay import Headers, relay
from appliance.gateway.request import ClientGone, parse_call, read_body, refuse_encoded
from appliance.gateway.upload import Upload, boundary_in
from appliance.gateway.worker import Worker
from appliance.listening import RUN_HEADER
from appliance.providers.call import Call
from appliance.providers.openai import ENDPOINTS
from licensing.document import format_time
from licensing.errors import Refusal

log = logging.getLogger("ao.gateway")

CALLS = frozenset({*ENDPOINTS, "messages", "messages/count_tokens"})
FORMS = frozenset({"audio/transcriptions", "audio/translations", "images/edits"})
"""Endpoints whose calls come as multipart/form-data."""
FORM_OR_JSON = "images/edits"

TELLING = frozenset({401, 403, 404, 429})
"""The refusals that say something of the use of a key."""

_JSON = (b"content-type", b"application/json")


def with_v1(others: ASGIApp, worker: Callable[[], Worker], farewell: Farewell) -> ASGIApp:
    """The whole app: calls below /v1 go to their handler at once, everything else to the framework's routes.

    The framework's own layers (router, exception handler, a wrapped `send`) would be a tenth of a call's cost.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if farewell.said:
            send = closing(send)
        if scope["type"] == ScopeType.HTTP and scope["path"].startswith("/v1/"):
            await _answer(worker(), scope, receive, send, _v1)
        else:
            await others(scope, receive, send)

    return app


def endpoints(worker: Callable[[], Worker], run: str) -> list[ASGIRouteHandler]:
    """The gateway's routes beside /v1. `worker` gives this process's worker, which exists once the app has started;
    `run` names the main process that this worker is of."""
    this_run = (RUN_HEADER.encode(), run.encode())

    @asgi("/healthz", copy_scope=False)
    async def healthz(scope: Scope, receive: Receive, send: Send) -> None:
        """The process lives. Says nothing about whether it may serve."""
        await _send(send, 200, b'{"status":"alive"}', _plain(worker()))

    @asgi("/readyz", copy_scope=False)
    async def readyz(scope: Scope, receive: Receive, send: Send) -> None:
        """Whether a call would be answered now; if not, the code of the reason. Names aliases that nobody answers, and
        when the next usage report is due, if that is soon. No address."""
        snapshot = await worker().snapshot()
        refusal, due = snapshot.refusal, snapshot.standing.report_due
        body: dict[str, object] = {"ready": refusal is None} | ({"code": refusal.code} if refusal else {})
        body |= {"usage_report_due": format_time(due)} if due else {}
        if resting := worker().health.resting_aliases(worker().monotonic()):
            body["no_healthy_deployment"] = resting
        await _send(send, 503 if refusal else 200, msgspec.json.encode(body), (*_plain(worker()), this_run))

    @asgi("/", copy_scope=False)
    async def root(scope: Scope, receive: Receive, send: Send) -> None:
        """Some clients ask HEAD / to see whether anybody is there."""
        await _send(send, 200, b'{"product":"AO Appliance","api":"/v1"}', _plain(worker()))

    return [healthz, readyz, root]


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
    worker.counts.refused(refusal.code, refusal.http_status)
    if isinstance(refusal, RateLimited) and refusal.cap is not None:
        worker.counts.capped(*refusal.cap)
    if refusal.http_status in TELLING:
        _note_refused(worker, scope, refusal)
    extra: Headers = getattr(refusal, "headers", ())
    endpoint = _endpoint(scope)
    body = body_for(endpoint, refusal, request_id)
    await _send(send, refusal.http_status, body, (_JSON, *extra, *_ids(endpoint, request_id)))


def _note_refused(worker: Worker, scope: HTTPScope, refusal: Refusal) -> None:
    """Of a known key, for watching over it. The key is looked up once more here, so that other calls pay nothing."""
    key = known_key(worker.last_snapshot, dict(scope["headers"]))
    if key is not None:
        source = network_of(scope["client"][0]) if scope["client"] else ""
        worker.refused.note(key.id, source, refusal.code, throttled=refusal.http_status == 429)


def _endpoint(scope: HTTPScope) -> str:
    """The path below /v1."""
    return scope["path"].removeprefix("/v1").strip("/")


async def _v1(worker: Worker, scope: HTTPScope, receive: Receive, send: Send, request_id: str) -> None:
    endpoint = _endpoint(scope)
    if endpoint in CALLS:
        _require(scope, "POST")
        await _exchange(worker, endpoint, scope, receive, send, request_id)
    elif endpoint == "models" or endpoint.startswith("models/"):
        _require(scope, "GET", "HEAD")
        await _models(worker, endpoint.removeprefix("models").removeprefix("/"), scope, send, request_id)
    elif endpoint.startswith("responses/"):
        raise PathNotFound("Responses are not kept here: there is none to be fetched, cancelled or deleted.")
    else:
        raise PathNotFound(f"There is no /v1/{endpoint[:100]} here.")


async def _exchange(
    worker: Worker, endpoint: str, scope: HTTPScope, receive: Receive, send: Send, request_id: str
) -> None:
    snapshot = await worker.snapshot()
    now = worker.now()
    sent = dict(scope["headers"])
    grant = authenticate(snapshot, sent, now, scope["client"])
    if b"content-encoding" in sent:
        refuse_encoded(sent)
    started = worker.monotonic()
    query = scope["query_string"].decode("latin-1")
    form: Upload | None = None
    length = 0
    if endpoint in FORMS and not _is_json(endpoint, sent):
        form = Upload(receive, boundary_in(sent.get(b"content-type", b"")), worker.state_folder)
    try:
        if form is not None:
            call = Call(endpoint, await form.find_model(), {}, False, False, query=query, at=now.timestamp(), form=form)
            receive = form.after
        else:
            body = await read_body(receive, worker.bodies)
            length = len(body)
            call = parse_call(endpoint, body, query, now.timestamp(), _passed(endpoint, sent))
        routes_for(snapshot, call.model, grant)
        if call.stream and worker.streams >= worker.stream_limit:
            raise TooManyStreams(
                f"This gateway has its {worker.stream_limit} streams a worker under way; try again.",
                headers=((b"retry-after", b"1"),),
            )
        estimated = length // BYTES_PER_TOKEN
        ask = ask_of(call, estimated, snapshot.prices[call.model]) if grant.measured else NOTHING
        taken = spend(worker.quota, grant, ask, worker.moment())
        exchange = Exchange(
            id=request_id,
            call=call,
            grant=grant,
            snapshot=snapshot,
            started_at=int(now.timestamp() * 1000),
            started=started,
            estimated_prompt_tokens=estimated,
            headers=sent,
            taken=taken,
            source=network_of(scope["client"][0]) if scope["client"] else "",
        )
        try:
            exchange.begin(worker.journal)
        except BaseException:
            worker.not_begun(taken)
            raise
        headers = (*_ids(endpoint, request_id), *rate_headers(taken))
        await relay(worker, exchange, headers, receive, send)
    finally:
        worker.bodies.let_go(length)
        if form is not None:
            form.close()


def _is_json(endpoint: str, sent: Mapping[bytes, bytes]) -> bool:
    return endpoint == FORM_OR_JSON and sent.get(b"content-type", b"").startswith(b"application/json")


def _passed(endpoint: str, sent: Mapping[bytes, bytes]) -> tuple[tuple[str, str], ...]:
    """What of the app's headers an endpoint's own provider is told as well."""
    betas = sent.get(b"anthropic-beta")
    return (("anthropic-beta", betas.decode("latin-1")),) if betas and speaks_anthropic(endpoint) else ()


async def _models(worker: Worker, alias: str, scope: HTTPScope, send: Send, request_id: str) -> None:
    snapshot = await worker.snapshot()
    sent = dict(scope["headers"])
    grant = authenticate(snapshot, sent, worker.now(), scope["client"])
    if snapshot.refusal is not None:
        raise snapshot.refusal
    models = {name: body for name, body in snapshot.models.items() if grant.may_use(name)}
    if b"anthropic-version" in sent:
        models = {name: as_anthropic_model(body) for name, body in models.items()}
    if alias:
        body = models.get(unquote(alias))
        if body is None:
            raise ModelNotFound(f"There is no model {alias[:128]!r} here.", param="model")
    elif b"anthropic-version" in sent:
        body = anthropic_model_list(models)
    else:
        body = b'{"object":"list","data":[' + b",".join(models.values()) + b"]}"
    await _send(send, 200, body, (_JSON, *_ids("models", request_id)))


def no_such_path(worker: Worker) -> Response[bytes]:
    """What is answered on every path that is none, in the same envelope as everything else."""
    refusal = PathNotFound("There is nothing here; the API is below /v1.")
    return Response(
        error_body(refusal),
        status_code=refusal.http_status,
        media_type="application/json",
        headers={"x-request-id": worker.next_id()},
    )


def _ids(endpoint: str, request_id: str) -> Headers:
    """The request's id, under the name that clients of this endpoint look for as well."""
    told = request_id.encode()
    if speaks_anthropic(endpoint):
        return ((b"x-request-id", told), (b"request-id", told))
    return ((b"x-request-id", told),)


def _plain(worker: Worker) -> Headers:
    return (_JSON, *_ids("", worker.next_id()))


def _require(scope: HTTPScope, *methods: str) -> None:
    if scope["method"] not in methods:
        raise MethodNotAllowed(f"Use {' or '.join(methods)} here.", headers=((b"allow", ", ".join(methods).encode()),))


async def _send(send: Send, status: int, body: bytes, headers: Headers) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})
