"""A model server whose pace is known: it answers OpenAI's chat wire slowly, and notes which questions it saw and
finished.

Run as a program it is the server; imported, it starts one. Each question is known by the `user` member, which the
gateway passes through untouched.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.real.processes import Process, free_port, wait_until_answers

CHUNKS = 20
PROMPT_TOKENS = 7


@dataclass(frozen=True, slots=True)
class PacedUpstream:
    """`seconds` is how long an answer takes, more or less by half."""

    port: int
    notes: Path
    seconds: float

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def seen(self) -> set[str]:
        """The questions that reached it."""
        return self._noted("seen")

    def finished(self) -> set[str]:
        """The questions whose answer it has handed over to its last byte."""
        return self._noted("finished")

    def _noted(self, what: str) -> set[str]:
        lines = (line.split() for line in self.notes.read_text().splitlines())
        return {line[1] for line in lines if len(line) == 2 and line[0] == what}


@contextmanager
def paced_upstream(folder: Path, *, seconds: float) -> Iterator[PacedUpstream]:
    upstream = PacedUpstream(free_port(), folder / "upstream.notes", seconds)
    upstream.notes.touch()
    command = [sys.executable, __file__, "--port", str(upstream.port), "--notes", str(upstream.notes)]
    with Process.started([*command, "--seconds", str(seconds)], folder / "upstream.log") as process:
        wait_until_answers(process, upstream.port, "/")
        yield upstream


async def _serve(port: int, notes: Path, seconds: float) -> None:
    with notes.open("a", buffering=1) as noted:

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError, asyncio.IncompleteReadError):
                while head := await reader.readuntil(b"\r\n\r\n"):
                    await _answer(head, reader, writer)
            writer.close()

        async def _answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
            body = json.loads(await reader.readexactly(int(length.split(b":")[1])) or b"{}")
            who = body.get("user")
            if who is not None:
                noted.write(f"seen {who}\n")
            # Each its own time, so that they do not all end in step.
            takes = seconds * (0.5 + zlib.crc32(str(who).encode()) % 100 / 100)
            if not body:
                writer.write(_whole({}))
            elif body.get("stream"):
                await _stream(writer, takes)
            else:
                await asyncio.sleep(takes)
                message = {"role": "assistant", "content": "word " * CHUNKS}
                choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
                writer.write(_whole({"object": "chat.completion", "choices": choices, "usage": _usage()}))
            if who is not None:
                # Before it is flushed: what is on its way counts as handed over.
                noted.write(f"finished {who}\n")
            await writer.drain()

        server = await asyncio.start_server(answer, "127.0.0.1", port, backlog=1024)
        async with server:
            await server.serve_forever()


async def _stream(writer: asyncio.StreamWriter, seconds: float) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    for number in range(CHUNKS):
        writer.write(_event({"choices": [{"index": 0, "delta": {"content": f"word {number} "}}]}))
        await writer.drain()
        await asyncio.sleep(seconds / CHUNKS)
    writer.write(_event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}))
    writer.write(_event({"choices": [], "usage": _usage()}))
    writer.write(_chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")


def _usage() -> dict[str, int]:
    return {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": CHUNKS, "total_tokens": PROMPT_TOKENS + CHUNKS}


def _event(chunk: dict[str, object]) -> bytes:
    return _chunk(b"data: " + json.dumps({"object": "chat.completion.chunk", **chunk}).encode() + b"\n\n")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _whole(body: dict[str, object]) -> bytes:
    data = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(data), data)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    given = parser.parse_args()
    asyncio.run(_serve(given.port, given.notes, given.seconds))
