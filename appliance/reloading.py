"""Taking up the listener's certificate anew while calls are answered: asked for by command, or by SIGHUP.

Promise: the new files are read and judged first; what they are refused for is told, and nothing has changed. Whoever
asked is told once, when the reload is over.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TookTooLong
from datetime import datetime
from types import FrameType

from appliance.errors import PlainListener, ReloadFailed
from appliance.settings import Settings
from appliance.succession import Succession
from appliance.tls.material import Material, read_material
from licensing.errors import Refusal

log = logging.getLogger("ao.serve")

ANSWER_SECONDS = 60.0

Over = Callable[[Refusal | None], None]


class Reloading:
    """`ask` from any thread, `ask_by_signal` as a signal's handler; `look` in each round of the books does it."""

    def __init__(self, settings: Settings, succession: Succession, by_signal: Over) -> None:
        self._settings = settings
        self._succession = succession
        self._by_signal = by_signal
        self._lock = threading.Lock()
        self._asked: list[Future[Refusal | None]] = []
        self._signalled = False

    def ask(self) -> Refusal | None:
        """Waits until it is over: why it was none, or None."""
        asked: Future[Refusal | None] = Future()
        with self._lock:
            self._asked.append(asked)
        try:
            return asked.result(ANSWER_SECONDS)
        except TookTooLong:
            return ReloadFailed(f"It was not over within {ANSWER_SECONDS:.0f} seconds.", remedy="See: ao tls show.")

    def ask_by_signal(self, _signal: int, _frame: FrameType | None) -> None:
        self._signalled = True

    def look(self, now: datetime, monotonic: float) -> None:
        """Begins what was asked for. Never raises what the files can cause."""
        if self._signalled:
            self._signalled = False
            self._begin(now, monotonic, self._by_signal)
        with self._lock:
            asked, self._asked = self._asked, []
        for each in asked:
            self._begin(now, monotonic, each.set_result)

    def _begin(self, now: datetime, monotonic: float, over: Over) -> None:
        def told(refusal: Refusal | None) -> None:
            if refusal is None:
                log.warning("the listener's certificate was taken up anew: %s", _named(self._succession.material))
            else:
                log.error("the listener's certificate was not taken up anew: %s [%s]", refusal, refusal.code)
            over(refusal)

        try:
            material = read_material(self._settings, now)
            if material is None:
                raise PlainListener("The gateway speaks plain HTTP: it has no certificate to take up.")
            self._succession.reload(material, monotonic, told)
        except Refusal as refusal:
            told(refusal)


def _named(material: Material | None) -> str:
    return f"SHA-256 {material.fingerprint}" if material else "none"
