"""Model servers that fail in every way there is, over real sockets, and what a site's config says of them."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.appliance.gateway.frames import DONE, content, finish, frame
from tests.appliance.gateway.upstreams import (
    END,
    FIRST,
    STREAM_HEAD,
    Received,
    Script,
    Upstream,
    answer_body,
    chunk,
    head,
    normal,
    reply,
    write,
)

_WHOLE = head(200, 2000) + json.dumps(answer_body()).encode()


async def resets(_: Received, out: asyncio.StreamWriter) -> None:
    """Ends the connection with a RST and no answer."""
    sock = out.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    out.transport.abort()


@dataclass
class Switch:
    """A server whose mood the test sets. `most` is how many calls it ever had under way at once."""

    mood: Script = normal
    under_way: int = 0
    most: int = 0

    async def __call__(self, received: Received, out: asyncio.StreamWriter) -> None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.mood(received, out)
        finally:
            self.under_way -= 1


@dataclass
class InTurn:
    """Does one thing after another, and the last for ever."""

    scripts: list[Script]
    asked: int = field(default=0)

    async def __call__(self, received: Received, out: asyncio.StreamWriter) -> None:
        number, self.asked = self.asked, self.asked + 1
        await self.scripts[min(number, len(self.scripts) - 1)](received, out)


def slowly(data: bytes, *, step: int = 1, pause: float = 0.1) -> Script:
    return write(*(part for n in range(0, len(data), step) for part in (data[n : n + step], pause)))


BUSY = reply(429, {"error": {"message": "slow down"}})
FAILS = reply(500, {"error": {"message": "boom"}})
TOO_LONG = reply(400, {"error": {"message": "too long", "code": "context_length_exceeded"}})

FAULTS: dict[str, Script] = {
    "resets": resets,
    "hangs": write(60.0),
    "hangs-after-head": write(STREAM_HEAD, 60.0),
    "hangs-in-body": write(_WHOLE[:150], 60.0),
    "drips-head": slowly(STREAM_HEAD),
    "drips-body": slowly(_WHOLE, step=2),
    "busy": BUSY,
    "busy-1": reply(429, {"error": {"message": "slow down"}}, "retry-after: 1"),
    "busy-never": reply(429, {"error": {"message": "slow down"}}, "retry-after: never"),
    "overloaded": reply(503, b"", "retry-after: 2"),
    "500": FAILS,
    "502-text": reply(502, b"<html>bad gateway</html>", kind="text/html"),
    "html": reply(200, b"<html>hello</html>", kind="text/html"),
    "text-for-stream": reply(200, FIRST + DONE, kind="text/plain"),
    "broken-json": reply(200, b'{"choices":[{"mess'),
    "no-http": write(b"SSH-2.0-OpenSSH_9.6\r\n", 0.05, close=True),
}
"""Each ends without a first byte for the app, whether it asked for a stream or not."""

LATER: dict[str, Script] = {
    "stalls": write(STREAM_HEAD, chunk(FIRST), 60.0),
    "drips-stream": write(STREAM_HEAD, *(part for _ in range(600) for part in (chunk(frame(content("x"))), 0.1))),
    "resets-later": write(STREAM_HEAD, chunk(FIRST), 0.05, close=True),
}
"""Each fails after the first byte of a stream."""

ORDERLY = write(STREAM_HEAD, chunk(FIRST), 0.3, chunk(frame(content("y"))), 0.3, chunk(frame(finish()) + DONE), END)


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server's certificate that nobody vouches for."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
    files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*made.split(" "), *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@contextmanager
def never_accepting() -> Iterator[int]:
    """A port at which connecting takes for ever: its queue is full, and the kernel drops who else would come."""
    with ExitStack() as held:
        server = held.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port: int = server.getsockname()[1]
        for _ in range(4):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        yield port


LIMITS = {"connect_seconds": 0.5, "first_byte_seconds": 1, "idle_seconds": 1, "total_seconds": 2}


def entry(alias: str, base: str, **more: Any) -> dict[str, Any]:
    """A model entry of a config; time limits that a test can wait for, unless others are given."""
    provider = {"name": "openai-compatible", "model": "upstream-name", "api_base": base, "api_key": "${UPSTREAM_KEY}"}
    return {"alias": alias, "provider": provider, "timeouts": LIMITS, **more}


def config_text(models: list[dict[str, Any]], routing: dict[str, Any]) -> str:
    """JSON is YAML; an officer would write it otherwise."""
    return f"models: {json.dumps(models)}\nrouting: {json.dumps(routing)}\n"


def at(upstream: Upstream, script: str, *, scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{upstream.port}/{script}/v1"
