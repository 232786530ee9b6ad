"""One connection to a model server: HTTP/1.1, one question and one answer at a time (RFC 9112).

The answer is read by llhttp, node's parser, through httptools, and strictly. What is decided here is whose bytes they
are, when they are at their end, and whether the connection may be used again; when in doubt, it may not.

It lives on the event loop of its caller: an answer costs no change of thread.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

HEAD_LIMIT_BYTES = 64 * 1024
"""So much may come without one byte of a body in it: a head, the trailers, the lengths of chunks."""
HELD_LIMIT_BYTES = 64 * 1024
"""Where more of an answer than this waits to be read, no more is taken from the network until half of it is."""

_NO_BODY = (204, 304)
_VERSIONS = ("1.1", "1.0")


class Broken(Exception):
    """The connection ended before the answer did, or what came is no answer in HTTP."""


class Answer:
    """What comes back for one question. Headers by name in lower case, the first of each.

    `headed` and then `chunks` or `read`, by one reader; `drop` ends the call where it is not whole.
    """

    __slots__ = ("_connection", "_fault", "_headed", "_held", "_parts", "_waiter", "headers", "status", "whole")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._parts: deque[bytes] = deque()
        self._held = 0
        self._headed = False
        self._waiter: asyncio.Future[None] | None = None
        self._fault: BaseException | None = None
        self.headers: dict[bytes, bytes] = {}
        self.status = 0
        self.whole = False

    async def headed(self) -> None:
        """Until status and headers are there. Raises Broken."""
        while not self._headed:
            await self._more()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes: each piece as soon as it is there, none merged with another. Raises Broken."""
        while True:
            while self._parts:
                yield self._taken()
            if self.whole:
                return
            await self._more()

    async def read(self, limit: int) -> bytes | None:
        """The whole body; None, and the call is over, where it is larger than `limit` bytes. Raises Broken."""
        parts: list[bytes] = []
        held = 0
        while True:
            while self._parts:
                part = self._taken()
                held += len(part)
                parts.append(part)
            if held > limit:
                self.drop()
                return None
            if self.whole:
                return parts[0] if len(parts) == 1 else b"".join(parts)
            await self._more()

    def drop(self) -> None:
        """Nobody reads any further: where the answer is not whole, the server sees the connection go."""
        self._parts.clear()
        if not self.whole:
            self._connection.abort()

    def head(self, status: int, headers: dict[bytes, bytes]) -> None:
        self.status, self.headers, self._headed = status, headers, True

    def add(self, part: bytes) -> None:
        self._parts.append(part)
        self._held += len(part)
        if self._held > HELD_LIMIT_BYTES:
            self._connection.hold()

    def fail(self, fault: BaseException) -> None:
        if not self.whole and self._fault is None:
            self._fault = fault
        self.wake()

    def wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _taken(self) -> bytes:
        part = self._parts.popleft()
        self._held -= len(part)
        if self._held <= HELD_LIMIT_BYTES // 2 and not self.whole:
            self._connection.go_on()
        return part

    async def _more(self) -> None:
        if self._fault is not None:
            raise Broken("The answer was broken off.") from self._fault
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None


class Connection(asyncio.Protocol):
    """`rest` is called when the connection may be used again; `rested_at` is its caller's to set, loop's seconds."""

    def __init__(self, sock: socket.socket, rest: Callable[[Connection], None]) -> None:
        self._sock = sock
        self._rest = rest
        self._parser = HttpResponseParser(self)
        self._answer: Answer | None = None
        self._headers: dict[bytes, bytes] = {}
        self._bodiless_bytes = 0
        self._headed = False
        self._until_close = False
        self._keeps = False
        self._ended = False
        self._held = False
        self._upload: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        self._room.set()
        self.rested_at = 0.0

    def ask(self, head: bytes, body: bytes | AsyncIterator[bytes]) -> Answer:
        """Puts one question. The connection must be at rest, or new."""
        answer = self._answer = Answer(self)
        self._headers = {}
        self._bodiless_bytes = 0
        self._headed = self._until_close = self._keeps = False
        if self._is_over():
            answer.fail(Broken("The server closed the connection."))
        elif isinstance(body, bytes):
            self._transport.writelines((head, body))
        else:
            self._transport.write(head)
            self._upload = asyncio.get_running_loop().create_task(self._send(body))
        return answer

    def has_gone(self, *, look: bool) -> bool:
        """Whether a connection at rest cannot be used again. With a `look`, also where the server has ended it, or
        said something unasked, and the event loop does not know of it yet."""
        if self._is_over():
            return True
        if not look:
            return False
        try:
            self._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def abort(self) -> None:
        if self._upload is not None:
            self._upload.cancel()
        self._transport.abort()

    def hold(self) -> None:
        if not self._held and not self._is_over():
            self._held = True
            self._transport.pause_reading()

    def go_on(self) -> None:
        if self._held and not self._is_over():
            self._held = False
            self._transport.resume_reading()

    def _is_over(self) -> bool:
        return self._ended or self._transport.is_closing()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:
            self.abort()  # nothing was asked
            return
        self._bodiless_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as exc:
            self._end(exc)
            return
        if answer.whole:
            self._answer = None
            self._settle()
        elif self._bodiless_bytes > HEAD_LIMIT_BYTES:
            self._end(Broken("The head of the answer is too large."))
            return
        answer.wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        answer, self._answer = self._answer, None
        if answer is not None:
            if self._until_close and exc is None:
                answer.whole = True
            answer.fail(exc or Broken("The server closed the connection."))
        if self._upload is not None:
            self._upload.cancel()
        self._room.set()

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    # httptools: called from within feed_data

    def on_message_begin(self) -> None:
        if self._headed:
            raise Broken("The server answered twice.")

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._headed:
            self._headers.setdefault(name.lower(), value)

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        headers, self._headers = self._headers, {}
        answer = self._answer
        if status < 200 or answer is None:
            return  # 100, 102, 103: the answer is still to come (RFC 9110, section 15.2)
        if self._parser.get_http_version() not in _VERSIONS:
            raise Broken("The server speaks another HTTP than 1.")
        coding = headers.get(b"transfer-encoding")
        if coding is not None and coding.lower() != b"chunked":
            raise Broken("The answer is in a coding that was not asked for.")
        self._headed = True
        self._until_close = coding is None and b"content-length" not in headers and status not in _NO_BODY
        answer.head(status, headers)

    def on_body(self, part: bytes) -> None:
        self._bodiless_bytes = 0
        if self._answer is not None:
            self._answer.add(part)

    def on_message_complete(self) -> None:
        if self._headed and self._answer is not None:
            self._keeps = self._parser.should_keep_alive()
            self._answer.whole = True

    def _settle(self) -> None:
        """The answer is whole: the connection is used again where both sides are done with it, and want it."""
        self.go_on()
        if self._keeps and self._upload is None and not self._is_over():
            self._rest(self)
        else:
            self.abort()

    def _end(self, fault: Exception) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.fail(fault)
        self.abort()

    async def _send(self, body: AsyncIterator[bytes]) -> None:
        try:
            async with aclosing(body) as pieces:  # type: ignore[type-var]  # what is given here are generators
                async for piece in pieces:
                    if piece:
                        self._transport.writelines((b"%x\r\n" % len(piece), piece, b"\r\n"))
                        await self._room.wait()
            self._transport.write(b"0\r\n\r\n")
        except Exception as exc:  # noqa: BLE001 - whatever the body's source says is told to who waits for the answer
            self._end(exc)
        else:
            self._upload = None
