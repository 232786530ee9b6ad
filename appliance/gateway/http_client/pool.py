"""The connections to model servers that a worker has open, and the way to a new one.

No environment proxy, no redirect: what the config names is what is called.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from functools import partial

from aiohappyeyeballs import start_connection

from appliance.gateway.http_client.connection import Answer, Connection
from appliance.gateway.http_client.question import Origin, question
from appliance.tls.host_authorities import believes_nobody, trust_of_this_host

log = logging.getLogger("ao.gateway")

IDLE_SECONDS = 30.0
LOOKED_AT_AFTER_SECONDS = 0.5
"""A connection that has rested for less is used again without a look: no server ends one as soon."""
SECOND_ADDRESS_SECONDS = 0.25
"""So long the first address of a name is tried before the next is tried beside it (RFC 8305)."""
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 15), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 3))
"""Seconds, seconds, and a count: a server that went without a word is noticed while its answer is waited for."""


class CannotConnect(Exception):
    """There is no way to the server: no such name, nobody there, too late, or one that is not believed."""


class Pool:
    """For one event loop. A connection is used by one call at a time; the last that came to rest is used first."""

    def __init__(self) -> None:
        self._resting: dict[Origin, list[Connection]] = {}
        self._trust: ssl.SSLContext | None = None
        self._sweeping: asyncio.TimerHandle | None = None

    async def post(
        self,
        url: str,
        headers: tuple[tuple[str, str], ...],
        body: bytes | AsyncIterator[bytes],
        connect_seconds: float,
    ) -> Answer:
        """The answer, once its head is there. Raises CannotConnect, connection.Broken, question.CannotBeAsked.

        Whoever is cancelled meanwhile ends the call.
        """
        origin, head = question(url, headers, len(body) if isinstance(body, bytes) else None)
        connection = self._rested(origin) or await self._connected(origin, connect_seconds)
        answer = connection.ask(head, body)
        try:
            await answer.headed()
        except BaseException:
            answer.drop()
            raise
        return answer

    def _rested(self, origin: Origin) -> Connection | None:
        resting = self._resting.get(origin)
        if not resting:
            return None
        now = asyncio.get_running_loop().time()
        while resting:
            connection = resting.pop()
            rested = now - connection.rested_at
            if rested < IDLE_SECONDS and not connection.has_gone(look=rested >= LOOKED_AT_AFTER_SECONDS):
                return connection
            connection.abort()
        return None

    async def _connected(self, origin: Origin, seconds: float) -> Connection:
        loop = asyncio.get_running_loop()
        sock: socket.socket | None = None
        try:
            async with asyncio.timeout(seconds):
                found = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
                sock = await start_connection(found, happy_eyeballs_delay=SECOND_ADDRESS_SECONDS, loop=loop)
                _set_up(sock)
                made = Connection(sock, partial(self._comes_to_rest, origin))
                await loop.create_connection(
                    lambda: made,
                    sock=sock,
                    ssl=self._trusted() if origin.secure else None,
                    server_hostname=origin.host if origin.secure else None,
                )
        except (OSError, TimeoutError, UnicodeError) as exc:
            raise CannotConnect("The server cannot be reached.") from exc
        else:
            sock = None
            return made
        finally:
            if sock is not None:
                sock.close()

    def _trusted(self) -> ssl.SSLContext:
        if self._trust is None:
            self._trust = trust_of_this_host()
            self._trust.set_alpn_protocols(["http/1.1"])
            if believes_nobody(self._trust):
                log.warning("this host has no certificates of authorities: no model server is reached over https")
        return self._trust

    def _comes_to_rest(self, origin: Origin, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        connection.rested_at = loop.time()
        self._resting.setdefault(origin, []).append(connection)
        if self._sweeping is None:
            self._sweeping = loop.call_later(IDLE_SECONDS, self._sweep)

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        since = loop.time() - IDLE_SECONDS
        for origin, resting in list(self._resting.items()):
            kept = [each for each in resting if each.rested_at > since and not each.has_gone(look=False)]
            for each in set(resting).difference(kept):
                each.abort()
            if kept:
                self._resting[origin] = kept
            else:
                del self._resting[origin]
        self._sweeping = loop.call_later(IDLE_SECONDS, self._sweep) if self._resting else None


def _set_up(sock: socket.socket) -> None:
    for option, value in _KEEPALIVE:
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
