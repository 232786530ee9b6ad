"""Who answers calls now, who comes after, and who finishes what they began: the gateway's main processes in turn.

Promise: at a reload the new process is started beside the old one, on the same sockets; only when one of its workers
has answered does the old one take no more connections, finish its exchanges, streams too, and end. A new one that does
not come up is ended, and nothing has changed. A process that ends by itself is started again with what was served last,
unless it ends again and again. A look never waits for a process.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import GatewayFailed, ReloadFailed
from appliance.gateway_process import STOP_SECONDS, GatewayProcess, Readiness, ask
from appliance.listening import ListeningSockets
from appliance.settings import Settings
from appliance.tls.local_identity import LocalIdentity
from appliance.tls.material import Material
from licensing.errors import Refusal

log = logging.getLogger("ao.serve")

READY_SECONDS = 30.0
RESTARTS = 5
RESTART_WINDOW_SECONDS = 60.0

Told = Callable[[Refusal | None], None]
"""Called once with what became of a reload: None, or why it was none."""


@dataclass(slots=True)
class _Leaving:
    """The reload is over when nobody can meet the old certificate any more."""

    process: GatewayProcess
    deadline: float
    told: Told


@dataclass(slots=True)
class _Next:
    process: GatewayProcess
    material: Material | None
    deadline: float
    told: Told


class Succession:
    """Made, the first process loads its modules; `first_serves` lets it serve; `stop` is harmless at any time."""

    def __init__(self, settings: Settings, metrics: Path) -> None:
        self._settings = settings
        self._metrics = metrics
        self._sockets = ListeningSockets(settings.host, settings.port, settings.workers)
        self._identity = LocalIdentity() if settings.tls_client_ca is not None else None
        self._material: Material | None = None
        self._ends: deque[float] = deque()
        self._next: _Next | None = None
        self._leaving: _Leaving | None = None
        self._retired: list[GatewayProcess] = []
        self._current = self._load()

    @property
    def material(self) -> Material | None:
        """What is presented now."""
        return self._material

    @property
    def pids(self) -> frozenset[int]:
        """Of every main process whose end is awaited here."""
        every = [self._current, *self._retired, *([self._next.process] if self._next else [])]
        return frozenset(each.pid for each in every)

    def first_serves(self, material: Material | None) -> None:
        """Raises PortTaken, GatewayFailed."""
        self._material = material
        self._sockets.open()
        self._current.let_serve(self._with_own(material))

    def wait_until_ready(self, stopped: Callable[[], bool]) -> None:
        """Until it answers, or somebody asks to stop. Raises GatewayFailed."""
        deadline = time.monotonic() + READY_SECONDS
        while not stopped():
            if (code := self._current.ended()) is not None:
                raise GatewayFailed(f"The gateway did not start (exit {code}).")
            if self.readiness().status == 200:
                return
            if time.monotonic() > deadline:
                raise GatewayFailed(f"The gateway did not answer within {READY_SECONDS:.0f} seconds.")
            time.sleep(0.02)

    def readiness(self) -> Readiness:
        """What a worker says of itself; asked as a client with a certificate where clients need one."""
        return ask(self._settings, "/readyz", self._identity)

    def reload(self, material: Material | None, now: float, told: Told) -> None:
        """Begins to put this in the place of what is presented. `now` in seconds. Raises ReloadFailed where another
        reload is under way."""
        if self._next is not None or self._leaving is not None:
            raise ReloadFailed("Another reload is under way.", remedy="Wait for it to be over, and try again.")
        process = self._load()
        try:
            process.let_serve(self._with_own(material))
        except GatewayFailed as exc:
            process.stop()
            raise ReloadFailed("The new gateway process ended before it could serve.") from exc
        self._next = _Next(process, material, now + READY_SECONDS, told)

    def keep_up(self, now: float) -> None:
        """Takes a reload further; starts a process again that has ended. `now` in seconds. Raises GatewayFailed where
        it ends again and again."""
        if self._next is not None:
            self._advance(self._next, now)
        if (leaving := self._leaving) is not None and (not leaving.process.accepts() or now > leaving.deadline):
            self._leaving = None
            leaving.told(None)
        self._retired = [each for each in self._retired if not _is_over(each)]
        code = self._current.ended()
        if code is not None:
            self._restart(code, now)

    def stop(self) -> None:
        """Lets exchanges in flight finish, then ends what is left."""
        every = [self._current, *self._retired, *([self._next.process] if self._next else [])]
        for each in every:
            each.ask_to_stop()
        deadline = time.monotonic() + STOP_SECONDS
        for each in every:
            each.stop(max(0.1, deadline - time.monotonic()))
        if self._next is not None:
            self._next.told(ReloadFailed("The gateway was stopped meanwhile."))
        if self._leaving is not None:
            self._leaving.told(None)
        self._next, self._leaving, self._retired = None, None, []
        self._sockets.close()

    def _advance(self, following: _Next, now: float) -> None:
        if (code := following.process.ended()) is not None:
            self._give_up(following, f"The new workers did not start (exit {code}).")
        elif self.readiness().run == following.process.run:
            self._next, self._material = None, following.material
            self._current.retire()
            self._leaving = _Leaving(self._current, now + READY_SECONDS, following.told)
            self._retired.append(self._current)
            self._current = following.process
        elif now > following.deadline:
            self._give_up(following, f"No new worker answered within {READY_SECONDS:.0f} seconds.")

    def _give_up(self, following: _Next, why: str) -> None:
        self._next = None
        following.process.ask_to_stop()
        self._retired.append(following.process)
        following.told(ReloadFailed(why))

    def _restart(self, code: int, now: float) -> None:
        while self._ends and now - self._ends[0] > RESTART_WINDOW_SECONDS:
            self._ends.popleft()
        if len(self._ends) >= RESTARTS:
            raise GatewayFailed(
                f"The gateway's main process ended by itself {RESTARTS + 1} times within "
                f"{RESTART_WINDOW_SECONDS:.0f} seconds (last exit {code})."
            )
        self._ends.append(now)
        log.error("the gateway's main process ended by itself (exit %s); it is started again", code)
        self._current.stop()
        self._current = self._load()
        # One that has gone already is found at the next look.
        with suppress(GatewayFailed):
            self._current.let_serve(self._with_own(self._material))

    def _load(self) -> GatewayProcess:
        return GatewayProcess(self._settings, self._metrics, self._sockets)

    def _with_own(self, material: Material | None) -> Material | None:
        """What workers are given: this process's own authority is believed too, so that it can ask them."""
        return self._identity.admitted_to(material) if self._identity and material else material


def _is_over(process: GatewayProcess) -> bool:
    if process.ended() is None:
        return False
    process.stop()
    return True
