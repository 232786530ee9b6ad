"""A worker that another takes the place of: each answer it still gives tells the client to connect anew.

Promise: a connection that is in use is closed by an answer that says so, and never between two calls.
"""

from __future__ import annotations

from dataclasses import dataclass

from litestar.types import Message, Send


@dataclass(slots=True)
class Farewell:
    """`said` once this worker leaves."""

    said: bool = False


def closing(send: Send) -> Send:
    async def saying_so(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        await send(message)

    return saying_so
