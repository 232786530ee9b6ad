"""A socket in the state folder by which this host asks the running `ao serve`: whether calls are answered, and to take
up a new certificate.

Promise: only the folder's owner and root reach it (mode 0600 in a folder of 0700), no network does, and no certificate
is needed for it, whatever the gateway asks of its clients. It answers `GET /readyz` as a worker answered `ao serve`
itself, and `POST /reload` when the reload is over.
"""

from __future__ import annotations

import http.client
import json
import socket
import socketserver
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from appliance.errors import NotServing, ReloadFailed
from appliance.gateway_process import ANSWER_LIMIT_BYTES, NOBODY, Readiness
from appliance.state.socket_path import reaching
from licensing.errors import Refusal

NAME = "serve.sock"
RELOAD_SECONDS = 60.0
ASK_SECONDS = 5.0
_NOBODY_BODY = b'{"ready":false,"code":"not_serving"}'


class ServeSocket:
    """Open until `close`. `ask_reload` returns when it is over, with why it was none."""

    def __init__(
        self, folder: Path, readiness: Callable[[], Readiness], ask_reload: Callable[[], Refusal | None]
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                self._tell(*_as_answer(readiness()) if self.path == "/readyz" else (404, b"{}"))

            def do_POST(self) -> None:
                if self.path != "/reload":
                    self._tell(404, b"{}")
                    return
                refusal = ask_reload()
                told = {**refusal.as_dict(), "exit_code": refusal.exit_code} if refusal else None
                self._tell(503 if refusal else 200, json.dumps({"error": told}).encode())

            def _tell(self, status: int, body: bytes) -> None:
                self.send_response_only(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Nothing: what is done is in the audit trail."""

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True
            block_on_close = False

        self._file = folder / NAME
        # Whoever holds the serving lock of this folder is the only one who may listen here.
        self._file.unlink(missing_ok=True)
        with reaching(folder, NAME) as place:
            self._server = Server(place, Handler)
        self._file.chmod(0o600)
        threading.Thread(target=self._server.serve_forever, args=(0.2,), name="serve-socket", daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        with suppress(OSError):
            self._file.unlink(missing_ok=True)


def _as_answer(readiness: Readiness) -> tuple[int, bytes]:
    return (readiness.status, readiness.body) if readiness.status else (503, _NOBODY_BODY)


def ask_whether_ready(folder: Path) -> Readiness:
    """What a worker of the gateway that serves this state says of itself, through the process that started it.

    Status 0 where there is none."""
    try:
        with reaching(folder, NAME) as place:
            connection = _AtSocket(place, ASK_SECONDS)
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            status, body = answer.status, answer.read(ANSWER_LIMIT_BYTES)
            connection.close()
    except (OSError, http.client.HTTPException):
        return NOBODY
    return NOBODY if body == _NOBODY_BODY else Readiness(status, None, body)


def ask_to_reload(folder: Path) -> None:
    """Has the gateway that serves this state take up its certificate anew. Raises NotServing, and what it refused."""
    try:
        with reaching(folder, NAME) as place:
            connection = _AtSocket(place, RELOAD_SECONDS + 10)
            connection.request("POST", "/reload")
            told = json.loads(connection.getresponse().read())
            connection.close()
    except (FileNotFoundError, ConnectionRefusedError) as exc:
        raise NotServing("No gateway is running on this state.", where=str(folder)) from exc
    except (OSError, http.client.HTTPException, ValueError) as exc:
        raise ReloadFailed(f"The running gateway gave no answer ({type(exc).__name__}).") from exc
    if told["error"]:
        raise _as_told(told["error"])


def _as_told(error: dict[str, Any]) -> ReloadFailed:
    """What the running gateway refused, in its words."""
    refusal = ReloadFailed(str(error["message"]), where=error.get("where"), remedy=str(error["remedy"]))
    # Stated per instance, because the other side found it out.
    refusal.code = str(error["code"])  # type: ignore[misc]
    refusal.exit_code = int(error["exit_code"])  # type: ignore[misc]
    return refusal


class _AtSocket(http.client.HTTPConnection):
    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
