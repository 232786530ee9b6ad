"""The sockets that the gateway's workers accept calls from, held by `ao serve` for as long as it runs.

Promise: no connection is lost when workers are exchanged or die. Each worker has a socket of its own, so that the
kernel spreads connections evenly (SO_REUSEPORT); `ao serve` keeps every one of them open, so what waits in one is taken
up by the worker that comes after. Until `open` nothing listens and the address is not taken.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Sequence

from appliance.errors import PortTaken

BACKLOG = 2048
DESCRIPTORS_VARIABLE = "AO_LISTENING"
"""How a process of the gateway is told which descriptors it was given, in the workers' order."""

RETIRE = signal.SIGUSR1
"""Tells a process of the gateway that another takes its place: no new connection, and an end when all is answered."""

ACCEPTING_VARIABLE = "AO_ACCEPTING"
"""Names a descriptor that each process of the gateway holds open for as long as it takes connections."""

RUN_VARIABLE = "AO_GATEWAY_RUN"
RUN_HEADER = "ao-run"
"""How one run of the gateway's main process is told from another: its name, and where /readyz says it."""


class ListeningSockets:
    """Made, they are unbound, and can be given to a process that will be let listen later."""

    def __init__(self, host: str, port: int, count: int) -> None:
        self._host, self._port = host, port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._sockets = [socket.socket(family, socket.SOCK_STREAM) for _ in range(count)]

    @property
    def descriptors(self) -> tuple[int, ...]:
        return tuple(each.fileno() for each in self._sockets)

    def open(self) -> None:
        """Raises PortTaken."""
        try:
            for each in self._sockets:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                each.bind((self._host, self._port))
                each.listen(BACKLOG)
        except OSError as exc:
            raise PortTaken(
                f"Cannot listen on {self._host}:{self._port}: {exc.strerror}.", where="--host/--port"
            ) from exc

    def close(self) -> None:
        for each in self._sockets:
            each.close()


def spelt(descriptors: Sequence[int]) -> str:
    return ",".join(map(str, descriptors))


def descriptors_in(text: str) -> tuple[int, ...]:
    return tuple(int(each) for each in text.split(",") if each)


def stop_accepting(descriptors: Sequence[int]) -> None:
    """In a worker: leaves every new connection to others, while what is accepted already goes on, handshakes too.

    The server in this process would end handshakes that are under way when it is told to stop. Instead its descriptors
    are made to lead to a socket that nobody can reach: to accept from it gives "nothing there".
    """
    unreachable = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    unreachable.bind(b"")  # an abstract name of the kernel's choice
    unreachable.listen(0)
    unreachable.setblocking(False)
    for each in descriptors:
        os.dup2(unreachable.fileno(), each, inheritable=False)
