"""The gateway's main process (Granian and its workers), as supervise.py starts, watches, restarts and stops it.

Granian brings back a worker that dies, and gives up where one dies again at once. Whatever ended it, the gateway is
then started anew, RESTARTS times within RESTART_WINDOW_SECONDS; after that the fault is not one that starting mends,
and `ao serve` ends, for whoever started it to decide.
"""

from __future__ import annotations

import http.client
import logging
import os
import socket
import ssl
import subprocess
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from appliance import child_process
from appliance.errors import GatewayFailed, PortTaken
from appliance.observe.worker_counts import VARIABLE
from appliance.settings import Settings

log = logging.getLogger("ao.serve")

READY_SECONDS = 30.0
STOP_SECONDS = 40.0
RESTARTS = 5
RESTART_WINDOW_SECONDS = 60.0
ANSWER_LIMIT_BYTES = 64 * 1024
_GO = b"go\n"


class GatewayProcess:
    """Made, it loads its modules and waits for `let_serve`; `stop` is harmless at any time."""

    def __init__(self, settings: Settings, metrics: Path) -> None:
        self._settings = settings
        self._metrics = metrics
        self._ends: deque[float] = deque()
        self._process = self._load()

    @property
    def pid(self) -> int:
        return self._process.pid

    def let_serve(self) -> None:
        """Lets the loaded gateway listen. Until then it has no port, no worker and no state. Raises GatewayFailed."""
        try:
            if self._process.stdin is not None:
                self._process.stdin.write(_GO)
                self._process.stdin.flush()
        except BrokenPipeError:
            raise GatewayFailed("The gateway's main process ended before it could serve.") from None

    def wait_until_ready(self, stopped: Callable[[], bool]) -> None:
        """Until it answers, or somebody asks to stop. Raises GatewayFailed."""
        deadline = time.monotonic() + READY_SECONDS
        while not stopped():
            if self._process.poll() is not None:
                raise GatewayFailed(f"The gateway did not start (exit {self._process.returncode}).")
            if _answers(self._settings):
                return
            if time.monotonic() > deadline:
                raise GatewayFailed(f"The gateway did not answer within {READY_SECONDS:.0f} seconds.")
            time.sleep(0.02)

    def keep_up(self, now: float) -> None:
        """Starts it again where it has ended. `now` in seconds. Raises GatewayFailed where it ends again and again."""
        code = self._process.poll()
        if code is None:
            return
        while self._ends and now - self._ends[0] > RESTART_WINDOW_SECONDS:
            self._ends.popleft()
        if len(self._ends) >= RESTARTS:
            raise GatewayFailed(
                f"The gateway's main process ended by itself {RESTARTS + 1} times within "
                f"{RESTART_WINDOW_SECONDS:.0f} seconds (last exit {code})."
            )
        self._ends.append(now)
        log.error("the gateway's main process ended by itself (exit %s); it is started again", code)
        self.stop()
        self._process = self._load()
        # One that has gone already is found at the next look.
        with suppress(GatewayFailed):
            self.let_serve()

    def stop(self) -> None:
        """Lets exchanges in flight finish, then ends what is left."""
        child_process.end(self._process, STOP_SECONDS)

    def _load(self) -> subprocess.Popen[bytes]:
        return child_process.begin("appliance.gateway.server", self._settings, {VARIABLE: os.fspath(self._metrics)})


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


def ask(settings: Settings, path: str) -> tuple[int, bytes] | None:
    """What the gateway that these settings describe answers on this path; None where nobody answers."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - compared, not bound
    with closing(_connection(settings, host)) as connection:
        try:
            connection.request("GET", path)
            reply = connection.getresponse()
            return reply.status, reply.read(ANSWER_LIMIT_BYTES)
        except (OSError, http.client.HTTPException):
            return None


def _answers(settings: Settings) -> bool:
    answer = ask(settings, "/readyz")
    return answer is not None and answer[0] == http.HTTPStatus.OK


def _connection(settings: Settings, host: str) -> http.client.HTTPConnection:
    if settings.tls_certificate is None:
        return http.client.HTTPConnection(host, settings.port, timeout=2)
    # It asks its own child whether it is there, and tells it nothing; no name in the certificate need be this address.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, settings.port, timeout=2, context=context)
