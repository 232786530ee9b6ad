"""Calls going out. The one module that knows the HTTP client, and the errors that it can give.

No environment proxy, no redirect, no decompression: what the config names is what is called. A caller that is cancelled
ends its call at once, whether or not the model server has begun to answer.

The client is ry's, which is reqwest (hyper, rustls) under Python. Measured as a ratio of CPU per whole call and per
streamed call, in one run, on one core:

    pyreqwest 0.15   1.0   1.0    a call cancelled before the answer's head stays open upstream: nobody can end it
    ry 0.0.105       0.9   0.9
    aiohttp 3.14     1.9   1.0
    pyqwest 0.12     2.0   2.5
    foghttp 0.4      2.0   1.4    bundled certificate authorities only; one time limit over a whole stream
    wreq 0.13        1.2   1.0    no wheel for aarch64 before glibc 2.34

ry does much more than HTTP. Nothing but the names imported here is used, and no other module may import it.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ry import Client, Duration, Proxy, ReqwestError, Response

from appliance.gateway.errors import UpstreamDown, UpstreamTimeout, UpstreamUnreachable
from appliance.gateway.retry_after import seconds_of
from appliance.gateway.tokens import Tokens
from appliance.providers.call import UpstreamRequest

if TYPE_CHECKING:
    from ry.ryo3 import ResponseStream

log = logging.getLogger("ao.gateway")


@dataclass(frozen=True, slots=True, eq=False)
class UpstreamClient:
    """What a worker calls out with: its connections, and the access tokens that some providers take for a key.

    The rest of the gateway names it so, and knows no HTTP library.
    """

    http: Client
    tokens: Tokens = field(default_factory=Tokens)
    _lacking: dict[tuple[str, str], float] = field(default_factory=dict)

    def lacks(self, endpoint: tuple[str, str]) -> bool:
        """Whether this server (address, endpoint) has said of late that it has no such endpoint."""
        return bool(self._lacking) and self._lacking.get(endpoint, 0.0) > time.monotonic()

    def note_lack(self, endpoint: tuple[str, str]) -> None:
        self._lacking[endpoint] = time.monotonic() + LACK_SECONDS


LACK_SECONDS = 3600.0
"""How long a server is not asked again for an endpoint that it did not have."""

USER_AGENT = "ao-appliance"
REPLY_LIMIT_BYTES = 64 * 1024 * 1024

_CLIENTS_KEPT = 16
_NO_PROXY = Proxy.all("http://127.0.0.1:9", no_proxy="*,0.0.0.0/0,::/0")
"""A proxy for no host by name (*) nor by address: only where one is given are those of the environment left alone."""


class Clients:
    """A worker's clients: one for each length of time that a deployment gives connecting, which is one in most configs.

    How long anything else may take is the caller's to say: none of them waits less than for ever.
    """

    def __init__(self) -> None:
        self._by_seconds: dict[float, UpstreamClient] = {}

    def connecting_within(self, seconds: float) -> UpstreamClient:
        """Its connections are closed when nothing refers to it any more."""
        client = self._by_seconds.get(seconds)
        if client is None:
            if len(self._by_seconds) >= _CLIENTS_KEPT:
                self._by_seconds.clear()
            client = self._by_seconds[seconds] = open_client(seconds)
        return client


def open_client(connect_seconds: float) -> UpstreamClient:
    """Connects within so many seconds, or not at all."""
    # The client's threads share Python's lock, so a second one is no gain; it would start one per core of the host.
    os.environ.setdefault("TOKIO_WORKER_THREADS", "1")
    try:
        return UpstreamClient(_http(connect_seconds))
    except ReqwestError:
        # A bare host has no authorities' certificates at all. Model servers in clear are reached all the same; one
        # that speaks TLS is believed by nobody, and is refused.
        log.warning("this host has no certificates of authorities: no model server is reached over https")
        return UpstreamClient(_http(connect_seconds, tls_certs_only=[]))


def _http(connect_seconds: float, **trusting: Any) -> Client:
    return Client(
        proxy=_NO_PROXY,
        redirect=None,
        referer=False,
        user_agent=USER_AGENT,
        gzip=False,
        brotli=False,
        deflate=False,
        zstd=False,
        hickory_dns=False,  # the host's own resolver, as everything else on the host
        http1_only=True,
        connect_timeout=Duration.from_secs_f64(connect_seconds),
        pool_idle_timeout=Duration.from_secs(30),
        **trusting,
    )


class HttpReply:
    """An upstream's answer over HTTP; satisfies `providers.call.Reply`."""

    def __init__(self, response: Response) -> None:
        self._response: Response | None = response
        self._stream: ResponseStream | None = None
        self.status: int = response.status
        self.content_type = _header(response, "content-type") or "application/octet-stream"
        asked = _header(response, "retry-after")
        self.retry_after = None if asked is None else seconds_of(asked, _header(response, "date"), time.time())
        self.content_encoding = _header(response, "content-encoding")

    async def read(self) -> bytes:
        response = self._opened()
        length = response.content_length
        if length is None:
            return await self._read_to_the_end()
        if length > REPLY_LIMIT_BYTES:
            raise _too_large()
        try:
            return bytes(await response.bytes())
        except ReqwestError as exc:
            raise _refusal(exc) from exc

    async def chunks(self) -> AsyncIterator[bytes]:
        self._stream = self._opened().stream()
        try:
            async for chunk in self._stream:
                yield bytes(chunk)
        except ReqwestError as exc:
            raise _refusal(exc) from exc

    async def close(self) -> None:
        """Ends the call; where the reply is not yet whole, the upstream sees the connection go."""
        self._response = None
        if self._stream is not None:
            stream, self._stream = self._stream, None
            await stream.close()

    def _opened(self) -> Response:
        if self._response is None:
            raise RuntimeError("a reply is read before it is closed")
        return self._response

    async def _read_to_the_end(self) -> bytes:
        parts: list[bytes] = []
        held = 0
        async for chunk in self.chunks():
            held += len(chunk)
            if held > REPLY_LIMIT_BYTES:
                raise _too_large()
            parts.append(chunk)
        return b"".join(parts)


async def send(client: UpstreamClient, request: UpstreamRequest, *, stream: bool) -> HttpReply:
    """Sends, and returns once the reply's head is there. Raises UpstreamDown, UpstreamTimeout."""
    try:
        return HttpReply(await client.http.post(request.url, headers=dict(request.headers), body=request.body))
    except ReqwestError as exc:
        raise _refusal(exc) from exc


def _header(response: Response, name: str) -> str | None:
    value: str | bytes | None = response.headers.get(name)
    return value.decode("latin-1") if isinstance(value, bytes) else value  # bytes where it is not ASCII


def _refusal(error: ReqwestError) -> UpstreamDown | UpstreamTimeout:
    """What the app is told: never the upstream's address, which is the operator's business."""
    if error.is_connect():
        return UpstreamUnreachable("The model server cannot be reached.")
    if error.is_timeout():
        return UpstreamTimeout("The model server did not answer in time.")
    return UpstreamDown("The model server broke off its answer.")


def _too_large() -> UpstreamDown:
    return UpstreamDown(f"The model server's answer is larger than {REPLY_LIMIT_BYTES >> 20} MiB.")
