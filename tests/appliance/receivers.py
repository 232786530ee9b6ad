"""A webhook's receiver: a real HTTP server that takes, fails, hangs, redirects or dies, as it is told."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "webhook-secret-of-tests-0123456789"


@dataclass(frozen=True)
class Received:
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.body)
        return told

    def is_signed_with(self, secret: str) -> bool:
        """As a receiver would check it."""
        parts = dict(each.split("=", 1) for each in self.headers["ao-signature"].split(","))
        signed = f"{parts['t']}.{self.headers['ao-event-id']}.".encode() + self.body
        return hmac.compare_digest(hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest(), parts["v1"])


Answer = Callable[[Received, "_Handler"], None]


@dataclass
class Receiver:
    """`answers` are given in turn, the last one for ever; without any it takes all."""

    answers: list[Answer] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    received: list[Received] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.come = threading.Condition()
        self.over = threading.Event()

    def __enter__(self) -> Receiver:
        outer = self

        class Handler(_Handler):
            receiver = outer

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if self.tls is not None:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        scheme = "https" if self.tls else "http"
        return f"{scheme}://127.0.0.1:{self._server.server_port}/hook"

    def wait_for(self, count: int, *, event: str | None = None, seconds: float = 20.0) -> list[Received]:
        """As many as that (of that event), or a failure."""

        def found() -> list[Received]:
            return [each for each in self.received if event is None or each.headers["ao-event"] == event]

        with self.come:
            assert self.come.wait_for(lambda: len(found()) >= count, seconds), [each.event for each in self.received]
            return found()


class _Handler(BaseHTTPRequestHandler):
    receiver: Receiver

    def do_POST(self) -> None:
        with suppress(OSError):
            body = self.rfile.read(int(self.headers["content-length"]))
            got = Received({name.lower(): value for name, value in self.headers.items()}, body)
            with self.receiver.come:
                self.receiver.received.append(got)
                answers = self.receiver.answers
                answer = (answers.pop(0) if len(answers) > 1 else answers[0]) if answers else takes
                self.receiver.come.notify_all()
            answer(got, self)

    do_GET = do_POST  # noqa: N815 - the library's own name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's own name
        """Says nothing."""


def status(code: int, **headers: str) -> Answer:
    def answer(_: Received, handler: _Handler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("content-length", "0")
        handler.end_headers()

    return answer


takes = status(204)


def hangs(_: Received, handler: _Handler) -> None:
    handler.receiver.over.wait(60)


def dies(_: Received, handler: _Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 2")
    handler.connection.shutdown(socket.SHUT_RDWR)


def talks_for_ever(_: Received, handler: _Handler) -> None:
    """A good head, and a body without an end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n")
    while not handler.receiver.over.is_set():
        handler.wfile.write(b"x" * 65_536)


def drips(_: Received, handler: _Handler) -> None:
    """A head without an end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while not handler.receiver.over.wait(0.05):
        handler.wfile.write(b"x: y\r\n")
