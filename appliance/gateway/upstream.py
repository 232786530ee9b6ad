"""Calls going out, and the errors that they can end in.

No environment proxy, no redirect, no decompression: what the config names is what is called. A caller that is cancelled
ends its call at once, whether or not the model server has begun to answer.

The client is http_client/, on the event loop of the worker: asyncio's sockets and OpenSSL, llhttp for what is read.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from appliance.gateway.errors import UpstreamDown, UpstreamUnreachable
from appliance.gateway.http_client.connection import Answer, Broken
from appliance.gateway.http_client.pool import CannotConnect, Pool
from appliance.gateway.http_client.question import CannotBeAsked
from appliance.gateway.retry_after import seconds_of
from appliance.gateway.tokens import Tokens
from appliance.providers.call import UpstreamRequest


@dataclass(frozen=True, slots=True, eq=False)
class UpstreamClient:
    """What a worker calls out with: its connections, and the access tokens that some providers take for a key.

    How long anything but access tokens may take is the caller's to say: it waits for ever.
    """

    pool: Pool = field(default_factory=Pool)
    tokens: Tokens = field(default_factory=Tokens)
    _lacking: dict[tuple[str, str], float] = field(default_factory=dict)

    def lacks(self, endpoint: tuple[str, str]) -> bool:
        """Whether this server (address, endpoint) has said of late that it has no such endpoint."""
        return bool(self._lacking) and self._lacking.get(endpoint, 0.0) > time.monotonic()

    def note_lack(self, endpoint: tuple[str, str]) -> None:
        self._lacking[endpoint] = time.monotonic() + LACK_SECONDS


LACK_SECONDS = 3600.0
"""How long a server is not asked again for an endpoint that it did not have."""

REPLY_LIMIT_BYTES = 64 * 1024 * 1024


class HttpReply:
    """An upstream's answer over HTTP; satisfies `providers.call.Reply`."""

    def __init__(self, answer: Answer) -> None:
        self._answer: Answer | None = answer
        self.status: int = answer.status
        self.content_type = _header(answer, b"content-type") or "application/octet-stream"
        asked = _header(answer, b"retry-after")
        self.retry_after = None if asked is None else seconds_of(asked, _header(answer, b"date"), time.time())
        self.content_encoding = _header(answer, b"content-encoding")

    async def read(self) -> bytes:
        try:
            body = await self._opened().read(REPLY_LIMIT_BYTES)
        except Broken as exc:
            raise _broken_off() from exc
        if body is None:
            raise UpstreamDown(f"The model server's answer is larger than {REPLY_LIMIT_BYTES >> 20} MiB.")
        return body

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._opened().chunks():
                yield chunk
        except Broken as exc:
            raise _broken_off() from exc

    async def close(self) -> None:
        """Ends the call; where the reply is not yet whole, the upstream sees the connection go."""
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.drop()

    def _opened(self) -> Answer:
        if self._answer is None:
            raise RuntimeError("a reply is read before it is closed")
        return self._answer


async def send(client: UpstreamClient, request: UpstreamRequest, connect_seconds: float) -> HttpReply:
    """Sends, and returns once the reply's head is there. Raises UpstreamDown, UpstreamUnreachable.

    What is told to the app is never the upstream's address, which is the operator's business.
    """
    try:
        return HttpReply(await client.pool.post(request.url, request.headers, request.body, connect_seconds))
    except CannotConnect as exc:
        raise UpstreamUnreachable("The model server cannot be reached.") from exc
    except CannotBeAsked as exc:
        raise UpstreamDown("The model server cannot be asked this.") from exc
    except Broken as exc:
        raise _broken_off() from exc


def _header(answer: Answer, name: bytes) -> str | None:
    value = answer.headers.get(name)
    return None if value is None else value.decode("latin-1")


def _broken_off() -> UpstreamDown:
    return UpstreamDown("The model server broke off its answer.")
