"""A server of bytes: it reads whole questions and answers each as it is told to."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Said = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Raw:
    """`heads` and `bodies` are of the questions as they came, `connections` how many were opened, `ended` how many of
    them the client's side has ended."""

    said: Said
    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0
    ended: asyncio.Queue[int] = field(default_factory=asyncio.Queue)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/chat/completions"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                self.bodies.append(await _body(reader, head.lower()))
                await self.said(writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.ended.put_nowait(self.connections)
            writer.close()


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    if b"transfer-encoding: chunked" in head:
        body = b""
        while (length := int(await reader.readuntil(b"\r\n"), 16)) > 0:
            body += await reader.readexactly(length)
            await reader.readexactly(2)
        await reader.readexactly(2)
        return body
    return await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))


def saying(*pieces: bytes, ends: bool = False) -> Said:
    """These bytes, each as a write of its own; then the end of the connection, where it `ends`."""

    async def said(writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if ends:
            writer.close()

    return said


@asynccontextmanager
async def raw(said: Said, context: ssl.SSLContext | None = None) -> AsyncIterator[Raw]:
    made = Raw(said)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=context)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
