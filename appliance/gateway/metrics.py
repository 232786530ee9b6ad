"""GET /metrics: the same text in every worker, for the hosts that the settings name, and no such path for others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import cast

from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import HTTPScope, Receive, Scope, Send

from appliance.errors import NotServing
from appliance.gateway.errors import PathNotFound, error_body
from appliance.gateway.worker import Worker
from appliance.observe.exposition import CONTENT_TYPE, read_metrics

_JSON = b"application/json"


def metrics(worker: Callable[[], Worker], allowed: Sequence[IPv4Network | IPv6Network]) -> ASGIRouteHandler:
    """The route. Whoever is not allowed learns nothing, not even that it is there."""

    @asgi("/metrics", copy_scope=False)
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        if cast(HTTPScope, scope)["method"] not in ("GET", "HEAD") or not _is_within(client, allowed):
            refusal = PathNotFound("There is nothing here; the API is below /v1.")
            return await _send(send, refusal.http_status, _JSON, error_body(refusal))
        try:
            text = await asyncio.to_thread(read_metrics, worker().state_folder)
        except NotServing as refusal:
            return await _send(send, refusal.http_status, _JSON, error_body(refusal))
        return await _send(send, 200, CONTENT_TYPE, text)

    return answer


def _is_within(client: tuple[str, int] | None, allowed: Sequence[IPv4Network | IPv6Network]) -> bool:
    if client is None:
        return False
    address = ip_address(client[0].partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in allowed)


async def _send(send: Send, status: int, content_type: bytes, body: bytes) -> None:
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
