"""A model server of the tests' own: it does exactly what the first step of the path tells it, over raw sockets.

It records each request as received, and when its connection ended.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.appliance.gateway.frames import DONE, content, finish, frame, usage

WORDS = "COMPLETION-MARKER"
PACE = 0.1


@dataclass
class Received:
    """One request. `closed` is when the gateway's end of the connection was seen to be gone."""

    script: str
    target: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float = field(default_factory=time.monotonic)
    closed: float | None = None
    written: int = 0


Script = Callable[[Received, asyncio.StreamWriter], Awaitable[None]]


def answer_body(words: str = WORDS) -> dict[str, Any]:
    message = {"role": "assistant", "content": words}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 21, "completion_tokens": 4, "total_tokens": 25},
    }


def head(status: int, length: int, *headers: str, kind: str = "application/json") -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", f"content-type: {kind}", f"content-length: {length}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


END = b"0\r\n\r\n"


def reply(status: int, body: Any, *headers: str, kind: str = "application/json") -> Script:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def script(_: Received, out: asyncio.StreamWriter) -> None:
        out.write(head(status, len(data), *headers, kind=kind) + data)
        await out.drain()

    return script


def write(*parts: bytes | float, close: bool = False) -> Script:
    """Writes the bytes, and waits where there is a number."""

    async def script(received: Received, out: asyncio.StreamWriter) -> None:
        for part in parts:
            if isinstance(part, float):
                await asyncio.sleep(part)
            else:
                out.write(part)
                await out.drain()
                received.written += 1
        if close:
            out.close()

    return script


async def normal(received: Received, out: asyncio.StreamWriter) -> None:
    """An honest server: streams where it is asked to, with usage where it is asked to."""
    if not received.body.get("stream"):
        await reply(200, answer_body())(received, out)
        return
    frames = [frame(content(f"{WORDS} {n}")) for n in range(5)] + [frame(finish())]
    if (received.body.get("stream_options") or {}).get("include_usage"):
        frames.append(frame(usage(21, 4, None)))
    await write(STREAM_HEAD, *(chunk(each) for each in [*frames, DONE]), END)(received, out)


async def echo_secrets(received: Received, out: asyncio.StreamWriter) -> None:
    """An error that tells where it comes from and with which key it was asked."""
    told = f"{received.headers.get('host')} refused {received.headers.get('authorization')}"
    error = {"message": f"bad tools at http://{told}", "type": told, "param": told, "code": told}
    await reply(400, {"error": error})(received, out)


async def huge(_: Received, out: asyncio.StreamWriter) -> None:
    """A good answer in JSON, and far too long."""
    pieces, piece = 80, b"x" * 2**20
    out.write(head(200, pieces * len(piece) + 8) + b'{"x":"')
    for _n in range(pieces):
        out.write(piece)
        await out.drain()
    out.write(b'"}')
    await out.drain()


FRAMES = (
    b"".join(frame(content(f"{WORDS} Grüße 灯塔 {n}")) for n in range(4)) + frame(finish()) + frame(usage(21, 4, None))
)
WHOLE = FRAMES + DONE
FIRST = frame(content(f"{WORDS} 1"))

SCRIPTS: dict[str, Script] = {
    "good": normal,
    "paced": write(
        STREAM_HEAD,
        *(part for n in range(8) for part in (chunk(frame(content(f"{WORDS} {n}"))), PACE)),
        chunk(frame(finish()) + DONE),
        END,
    ),
    "endless": write(STREAM_HEAD, *(part for n in range(300) for part in (chunk(frame(content(f"{n}"))), PACE))),
    "cut": write(STREAM_HEAD, *(part for n in range(0, len(WHOLE), 7) for part in (chunk(WHOLE[n : n + 7]), 0.0)), END),
    "joined": write(STREAM_HEAD, chunk(WHOLE), END),
    "crlf": write(STREAM_HEAD, chunk(WHOLE.replace(b"\n", b"\r\n")), END),
    "until-close": write(UNTIL_CLOSE, WHOLE, close=True),
    "no-usage": write(STREAM_HEAD, chunk(FIRST * 3), chunk(frame(finish()) + DONE), END),
    "zero-usage": write(STREAM_HEAD, chunk(FIRST + frame(finish()) + frame(usage(0, 0, None)) + DONE), END),
    "no-done": write(STREAM_HEAD, chunk(FIRST + frame(finish())), END),
    "error-event": write(STREAM_HEAD, chunk(FIRST + frame({"error": {"message": "out of memory"}}) + DONE), END),
    "dies-before-head": write(0.01, close=True),
    "dies-in-head": write(STREAM_HEAD[:30], 0.05, close=True),
    "dies-after-head": write(STREAM_HEAD, 0.05, close=True),
    "ends-after-head": write(STREAM_HEAD, END),
    "dies-in-frame": write(STREAM_HEAD, chunk(FIRST), 0.05, chunk(FIRST[:20]), 0.05, close=True),
    "dies-after-frame": write(STREAM_HEAD, chunk(FIRST), 0.05, close=True),
    "ends-after-frame": write(STREAM_HEAD, chunk(FIRST), 0.05, END),
    "dies-after-finish": write(STREAM_HEAD, chunk(FIRST + frame(finish())), 0.05, close=True),
    "dies-in-body": write(head(200, 5000) + json.dumps(answer_body()).encode(), 0.05, close=True),
    "hangs": write(60.0),
    "hangs-after-head": write(STREAM_HEAD, 60.0),
    "busy": reply(429, {"error": {"message": "slow down"}}),
    "busy-7": reply(429, {"error": {"message": "slow down"}}, "retry-after: 7"),
    "busy-until": reply(
        429,
        {"error": {"message": "slow down"}},
        "date: Sat, 28 Nov 2026 10:00:00 GMT",
        "retry-after: Sat, 28 Nov 2026 10:00:09 GMT",
    ),
    "refuses-400": echo_secrets,
    "refuses-422": reply(422, {"error": {"message": "temperature must be at most 2", "param": "temperature"}}),
    "refuses-text": reply(400, b"<html>bad</html>", kind="text/html"),
    "401": reply(401, {"error": {"message": "wrong key"}}),
    "403": reply(403, {"error": {"message": "not yours"}}),
    "404": reply(404, {"error": {"message": "no such model"}}),
    "500": reply(500, {"error": {"message": "boom"}}),
    "redirects": reply(302, b"", "location: http://127.0.0.1:9/elsewhere"),
    "html": reply(200, b"<html>hello</html>", kind="text/html"),
    "broken-json": reply(200, b'{"choices":[{"mess'),
    "empty": reply(200, b""),
    "json-for-stream": reply(200, answer_body()),
    "odd-usage": reply(200, answer_body() | {"usage": {"prompt_tokens": 3.5}}),
    "monstrous-usage": reply(200, answer_body() | {"usage": {"prompt_tokens": 2**63, "completion_tokens": 1}}),
    "huge": huge,
}


class Upstream:
    """The server, in a thread of its own, for as long as the `with` lasts. `scripts` are done besides SCRIPTS."""

    def __init__(self, scripts: Mapping[str, Script] | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.received: list[Received] = []
        self._scripts = {**SCRIPTS, **(scripts or {})}
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    def __enter__(self) -> Upstream:
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(5)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def of(self, marker: str) -> list[Received]:
        """The requests that carried this marker, in the order they came."""
        return [each for each in self.received if each.body.get("x_marker") == marker]

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _end(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, incoming: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        begun: bytes | None = b""
        try:
            while begun is not None:
                begun = await self._exchange(begun, incoming, out)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            out.close()

    async def _exchange(self, begun: bytes, incoming: asyncio.StreamReader, out: asyncio.StreamWriter) -> bytes | None:
        """One request and what its script does; returns the first byte of the next one on this connection, if any."""
        lines = (begun + await incoming.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
        body = json.loads(await incoming.readexactly(int(headers.get("content-length", "0"))) or b"{}")
        target = lines[0].split(" ")[1]
        received = Received(target.split("/")[1], target, headers, body)
        self.received.append(received)
        script = asyncio.ensure_future(self._scripts[received.script](received, out))
        # The next byte that comes is another request; an end means that the gateway has gone.
        after = asyncio.ensure_future(incoming.read(1))
        try:
            await asyncio.wait({script, after}, return_when=asyncio.FIRST_COMPLETED)
            if not script.done():
                received.closed = time.monotonic()
                return None
            await script
            return None if out.is_closing() else (await after or None)
        finally:
            script.cancel()
            after.cancel()
            await asyncio.gather(script, after, return_exceptions=True)
