"""The metrics' text: made in the process that keeps the books, asked for by workers and by `ao metrics`.

It goes over a Unix socket in the state folder, which only the appliance's own user can reach: whoever connects is given
the whole text once.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest, multiprocess
from prometheus_client.registry import Collector

from appliance.errors import NotServing
from appliance.observe.worker_counts import forget_the_dead
from appliance.state.socket_path import reaching

SOCKET = "metrics.sock"
CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
ANSWER_SECONDS = 5.0

log = logging.getLogger("ao.metrics")


class Exposition:
    """Answers on the socket in a thread of its own until it is closed."""

    def __init__(self, folder: Path, worker_folder: Path, *collectors: Collector) -> None:
        self._worker_folder = worker_folder
        self._registry = CollectorRegistry()
        for collector in collectors:
            self._registry.register(collector)
        multiprocess.MultiProcessCollector(self._registry, path=os.fspath(worker_folder))  # type: ignore[no-untyped-call]  # untyped there
        self._socket = folder / SOCKET
        self._listening = _listen(folder)
        threading.Thread(target=self._answer_all, name="metrics", daemon=True).start()

    def close(self) -> None:
        with _quietly():
            self._listening.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in accept
        self._listening.close()
        self._socket.unlink(missing_ok=True)

    def _answer_all(self) -> None:
        while True:
            try:
                asker, _ = self._listening.accept()
            except OSError:
                return
            try:
                with asker:
                    asker.settimeout(ANSWER_SECONDS)
                    forget_the_dead(self._worker_folder)
                    asker.sendall(generate_latest(self._registry))
            except Exception:
                # One asker's trouble is not the next one's.
                log.exception("metrics could not be told")


def read_metrics(folder: Path) -> bytes:
    """The text as it is now. Raises NotServing where nobody keeps the books."""
    parts = []
    try:
        with reaching(folder, SOCKET) as path, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            asking.settimeout(ANSWER_SECONDS)
            asking.connect(path)
            while part := asking.recv(65536):
                parts.append(part)
    except OSError as exc:
        raise NotServing("No gateway is running on this state.", where=str(folder)) from exc
    return b"".join(parts)


def _listen(folder: Path) -> socket.socket:
    (folder / SOCKET).unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        with reaching(folder, SOCKET) as path:
            listening.bind(path)
    finally:
        os.umask(before)
    listening.listen(16)
    return listening


@contextmanager
def _quietly() -> Iterator[None]:
    try:
        yield
    except OSError:
        return
