"""Granian's main process, as supervise.py and succession.py start, ask and stop it.

Promise: it listens on sockets that `ao serve` holds, so that one such process can follow another without a connection
being lost. What becomes of one that ends is for succession.py to decide.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import select
import socket
import ssl
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from appliance import child_process
from appliance.errors import GatewayFailed, PortTaken
from appliance.listening import (
    ACCEPTING_VARIABLE,
    DESCRIPTORS_VARIABLE,
    RETIRE,
    RUN_HEADER,
    RUN_VARIABLE,
    ListeningSockets,
    spelt,
)
from appliance.observe.worker_counts import VARIABLE
from appliance.settings import Settings
from appliance.tls.local_identity import LocalIdentity
from appliance.tls.material import Material

STOP_SECONDS = 40.0
ANSWER_LIMIT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Readiness:
    """`status` is 0 where nobody answered; `run` says which process's worker did."""

    status: int
    run: str | None
    body: bytes


NOBODY = Readiness(0, None, b"")


class GatewayProcess:
    """Made, it loads its modules and waits for `let_serve`; `stop` is harmless at any time. `run` is what its
    answers to /readyz name it by."""

    def __init__(self, settings: Settings, metrics: Path, sockets: ListeningSockets) -> None:
        self.run = secrets.token_hex(8)
        # Nothing is ever written: it ends when nobody of this run holds the other end any more.
        accepting, theirs = os.pipe()
        self._accepting: int | None = accepting
        try:
            self._process = child_process.begin(
                "appliance.gateway.server",
                settings,
                {
                    VARIABLE: os.fspath(metrics),
                    DESCRIPTORS_VARIABLE: spelt(sockets.descriptors),
                    ACCEPTING_VARIABLE: str(theirs),
                    RUN_VARIABLE: self.run,
                },
                (*sockets.descriptors, theirs),
            )
        finally:
            os.close(theirs)

    @property
    def pid(self) -> int:
        return self._process.pid

    def let_serve(self, material: Material | None) -> None:
        """Lets the loaded gateway serve, with this at its listener. Until then it has no worker and no state.

        Raises GatewayFailed.
        """
        line = json.dumps(material.as_dict() if material else None) + "\n"
        try:
            if self._process.stdin is not None:
                self._process.stdin.write(line.encode())
                self._process.stdin.flush()
        except BrokenPipeError:
            raise GatewayFailed("The gateway's main process ended before it could serve.") from None

    def ended(self) -> int | None:
        """Its exit code, where it has ended."""
        return self._process.poll()

    def accepts(self) -> bool:
        """Whether any process of this run may still take a connection."""
        return self._accepting is not None and not select.select([self._accepting], [], [], 0)[0]

    def retire(self) -> None:
        """Leaves new connections to others, lets what is under way finish, and ends."""
        if self.ended() is None:
            self._process.send_signal(RETIRE)

    def ask_to_stop(self) -> None:
        """Lets exchanges in flight finish, within the time of an ordinary stop."""
        if self.ended() is None:
            self._process.terminate()

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """The same, and ends what is left after that time."""
        child_process.end(self._process, seconds)
        if self._accepting is not None:
            os.close(self._accepting)
            self._accepting = None


def check_port(settings: Settings) -> None:
    """Whether the address can be listened on. Asked first, because a worker's failure to bind tells a person nothing.

    Raises PortTaken.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as exc:
            raise PortTaken(
                f"Cannot listen on {settings.host}:{settings.port}: {exc.strerror}.", where="--host/--port"
            ) from exc


def ask(settings: Settings, path: str, identity: LocalIdentity | None = None) -> Readiness:
    """What a worker of this host's gateway answers on this path. Nothing is raised: nobody there is status 0."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - compared, not bound
    with closing(_connection(settings, host, identity)) as connection:
        try:
            connection.request("GET", path, headers={"connection": "close"})
            answer = connection.getresponse()
            return Readiness(answer.status, answer.headers.get(RUN_HEADER), answer.read(ANSWER_LIMIT_BYTES))
        except (OSError, http.client.HTTPException):
            return NOBODY


def _connection(settings: Settings, host: str, identity: LocalIdentity | None) -> http.client.HTTPConnection:
    if settings.tls_certificate is None:
        return http.client.HTTPConnection(host, settings.port, timeout=2)
    # It asks its own child whether it is there, and tells it nothing; no name in the certificate need be this address.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if identity is not None:
        identity.present(context)
    return http.client.HTTPSConnection(host, settings.port, timeout=2, context=context)
