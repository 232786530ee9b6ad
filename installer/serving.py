"""The running gateway, as the installer sees it: systemd's unit, and whether calls are answered."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
import tomllib
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from installer.errors import StepFailed
from installer.host import Programs
from installer.layout import STATE, UNIT

_EVERYWHERE: Mapping[str, str] = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
_PAUSE_SECONDS = 0.1
STOP_SECONDS = 120
SOCKET = "serve.sock"


@dataclass(frozen=True, slots=True)
class Address:
    """`socket` is where the running gateway is asked on this host itself, whatever it asks of its clients."""

    host: str
    port: int
    socket: Path


def listens_at(settings: Path) -> Address:
    """Where this host's settings say that the gateway listens. Raises StepFailed."""
    try:
        found: Mapping[str, Any] = tomllib.loads(settings.read_text("utf-8")) if settings.is_file() else {}
    except (OSError, ValueError) as exc:
        raise StepFailed("The settings cannot be read.", where=str(settings)) from exc
    host = str(found.get("host", "127.0.0.1"))
    state = Path(str(found.get("state_dir", STATE)))
    return Address(_EVERYWHERE.get(host, host), int(found.get("port", 8080)), state / SOCKET)


def stop(programs: Programs) -> None:
    """Lets exchanges in flight finish, closes the books, and returns when the gateway has ended."""
    programs.run("systemctl", "stop", UNIT, seconds=STOP_SECONDS)


def is_active(programs: Programs) -> bool:
    return programs.succeeds("systemctl", "is-active", "-q", UNIT)


def wait_until_ready(programs: Programs, address: Address, seconds: float) -> None:
    """Until /readyz says that calls are answered. Raises StepFailed, at once where systemd has given up."""
    deadline, heard = time.monotonic() + seconds, "nothing"
    while time.monotonic() < deadline:
        heard = _ask(address)
        if heard == "200":
            return
        if programs.succeeds("systemctl", "is-failed", "-q", UNIT):
            raise StepFailed(f"The gateway ended by itself. Read: journalctl -u {UNIT}", where=UNIT)
        time.sleep(_PAUSE_SECONDS)
    raise StepFailed(
        f"/readyz did not say within {seconds:.0f} seconds that calls are answered (last: {heard}).", where=UNIT
    )


def _ask(address: Address) -> str:
    """The status of /readyz. Where the listener speaks TLS its certificate is not judged: nothing is told to it. Where
    it wants one of its clients, which this program has not, the gateway's main process is asked, which has."""
    heard = _status(http.client.HTTPConnection(address.host, address.port, timeout=5))
    if heard in ("200", "503", "refused"):
        return heard
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    secured = _status(http.client.HTTPSConnection(address.host, address.port, timeout=5, context=context))
    if secured in ("200", "503"):
        return secured
    within = _status(_AtSocket(address.socket))
    return within if within in ("200", "503") else secured


class _AtSocket(http.client.HTTPConnection):
    """HTTP over a socket of this host."""

    def __init__(self, file: Path) -> None:
        super().__init__("localhost", timeout=5)
        self._file = file

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._file))


def _status(connection: http.client.HTTPConnection) -> str:
    with closing(connection):
        try:
            connection.request("GET", "/readyz")
            return str(connection.getresponse().status)
        except ConnectionRefusedError:
            return "refused"
        except (OSError, http.client.HTTPException) as exc:
            return type(exc).__name__
