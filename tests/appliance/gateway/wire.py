"""A client that sees bytes and the times at which they came."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import dataclass, field
from typing import Any

from tests.appliance.gateways import Gateway


@dataclass
class Answer:
    """What came back: each piece with its time since the request was sent. `whole`: it ended as it should."""

    status: int
    headers: dict[str, str]
    pieces: list[tuple[float, bytes]] = field(default_factory=list)
    whole: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(piece for _, piece in self.pieces)

    @property
    def events(self) -> list[bytes]:
        return [each for each in self.body.split(b"\n\n") if each]

    @property
    def request_id(self) -> str:
        return self.headers["x-request-id"]


class Line:
    """One connection to the gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._socket = socket.create_connection(("127.0.0.1", gateway.port), timeout=30)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def write(self, data: bytes) -> None:
        self._socket.sendall(data)

    def send(self, method: str, target: str, body: bytes = b"", *headers: str, key: str | None = None) -> float:
        lines = [f"{method} {target} HTTP/1.1", "host: gateway", f"content-length: {len(body)}", *headers]
        if key is not None:
            lines.append(f"authorization: Bearer {key}")
        self.write(("\r\n".join(lines) + "\r\n\r\n").encode() + body)
        return time.monotonic()

    def call(self, model: str, **more: Any) -> float:
        body = {"model": model, "messages": [{"role": "user", "content": "PROMPT-MARKER"}], **more}
        return self.send("POST", "/v1/chat/completions", json.dumps(body).encode(), key=self._gateway.key)

    def head(self) -> Answer:
        """The status line and the headers, names in lower case."""
        status = int(self._file.readline().split(b" ")[1])
        headers = {}
        while line := self._file.readline().strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return Answer(status, headers)

    def chunks(self, answer: Answer, since: float, *, at_most: int = 10_000) -> Answer:
        """Reads chunks of the reply, up to its end."""
        if "content-length" in answer.headers:
            data = self._file.read(int(answer.headers["content-length"]))
            answer.pieces.append((time.monotonic() - since, data))
            answer.whole = len(data) == int(answer.headers["content-length"])
            return answer
        while len(answer.pieces) < at_most and (size := self._file.readline().strip()):
            data = self._file.read(int(size, 16))
            self._file.readline()
            if not data:
                answer.whole = True
                break
            answer.pieces.append((time.monotonic() - since, data))
        return answer


def stream(gateway: Gateway, model: str, **more: Any) -> Answer:
    """A whole streamed call."""
    with Line(gateway) as line:
        since = line.call(model, stream=True, **more)
        return line.chunks(line.head(), since)
