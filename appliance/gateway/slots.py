"""Places in a deployment: as many calls at once as its config allows, counted over all workers of the site.

A place is a byte of a file that is locked for as long as a call holds it (an open-file-description lock, Linux 3.15),
so the kernel counts, and gives back what a worker held that was killed. Who finds no place may stand in a queue: of
bounded length and time, keys taking turns, so that one busy app does not keep the others out. Each worker has its own
queue; places that another worker gives back are found by looking again every LOOK_SECONDS.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import struct
from collections import deque
from pathlib import Path

from appliance.errors import StateUnwritable
from appliance.gateway.errors import DeploymentFull
from appliance.gateway.routing.candidate import Candidate

LOOK_SECONDS = 0.02
_FLOCK = struct.Struct("@hhqqi4x")
"""struct flock of 64-bit Linux: type, whence, start, length, pid."""
_SLOT_BITS = 14
_START_BITS = 62 - _SLOT_BITS


class Slots:
    """Of one worker. Raises StateUnwritable where the file cannot be opened."""

    def __init__(self, file: Path) -> None:
        try:
            self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as exc:
            raise StateUnwritable(f"The file of places cannot be opened: {exc.strerror}.", where=str(file)) from exc
        self._places: dict[str, _Places] = {}

    def take(self, candidate: Candidate) -> int | None:
        """A place, or None where all are taken. Only for deployments with a limit."""
        return self._of(candidate).take(candidate.limits.concurrent or 0)

    async def queue(self, candidate: Candidate, key: str, seconds: float) -> int:
        """A place as soon as there is one, `seconds` at most. Raises DeploymentFull."""
        return await self._of(candidate).queue(key, seconds, candidate)

    def give_back(self, candidate_id: str, slot: int) -> None:
        self._places[candidate_id].give_back(slot)

    def waiting(self) -> dict[str, int]:
        """How many calls stand in the queue of each deployment that has any."""
        return {name: len(places.line) for name, places in self._places.items() if places.line}

    def close(self) -> None:
        os.close(self._descriptor)

    def _of(self, candidate: Candidate) -> _Places:
        places = self._places.get(candidate.id)
        if places is None:
            start = (candidate.mark >> (64 - _START_BITS)) << _SLOT_BITS
            places = self._places[candidate.id] = _Places(self._descriptor, start)
        return places


class _Line:
    """Who waits: for each key first come, first served; the keys take turns."""

    def __init__(self) -> None:
        self._by_key: dict[str, deque[asyncio.Future[int]]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_key.values()))

    def join(self, key: str, place: asyncio.Future[int]) -> None:
        self._by_key.setdefault(key, deque()).append(place)

    def leave(self, key: str, place: asyncio.Future[int]) -> None:
        theirs = self._by_key.get(key)
        if theirs is not None and place in theirs:
            theirs.remove(place)
            if not theirs:
                del self._by_key[key]

    def next(self) -> asyncio.Future[int] | None:
        """Takes out whose turn it is; that key then comes last. Who has gone in the same moment is passed over."""
        while self._by_key:
            key = next(iter(self._by_key))
            theirs = self._by_key.pop(key)
            place = theirs.popleft()
            if theirs:
                self._by_key[key] = theirs
            if not place.done():
                return place
        return None


class _Places:
    """One deployment's, as this worker sees them."""

    def __init__(self, descriptor: int, start: int) -> None:
        self._descriptor, self._start = descriptor, start
        self._held: set[int] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._most = 0
        self.line = _Line()

    def take(self, most: int) -> int | None:
        self._most = most
        for slot in range(most):
            if slot not in self._held and self._lock(slot, fcntl.F_WRLCK):
                self._held.add(slot)
                return slot
        return None

    async def queue(self, key: str, seconds: float, candidate: Candidate) -> int:
        limits = candidate.limits
        self._most = limits.concurrent or 0
        if len(self.line) >= limits.queue:
            raise _full("and its queue is full")
        place: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.line.join(key, place)
        self._look_later()
        try:
            async with asyncio.timeout(min(seconds, limits.queue_seconds)):
                return await place
        except BaseException as exc:
            if place.done() and not place.cancelled():
                self.give_back(place.result())  # its turn came in the very moment in which it was called away
            if isinstance(exc, TimeoutError):
                raise _full("and none of them ended in time") from None
            raise
        finally:
            self.line.leave(key, place)

    def give_back(self, slot: int) -> None:
        """To whose turn it is here, or else to whichever worker looks next."""
        # A config that came meanwhile may allow fewer places than there were.
        following = self.line.next() if slot < self._most else None
        if following is not None:
            following.set_result(slot)
            return
        self._held.discard(slot)
        self._lock(slot, fcntl.F_UNLCK)

    def _look_later(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._timer = None
        while len(self.line) and (slot := self.take(self._most)) is not None:
            self.give_back(slot)
        if len(self.line):
            self._look_later()

    def _lock(self, slot: int, kind: int) -> bool:
        try:
            fcntl.fcntl(
                self._descriptor,
                fcntl.F_OFD_SETLK,
                _FLOCK.pack(kind, os.SEEK_SET, self._start + slot, 1, 0),
            )
        except OSError as exc:
            if exc.errno in (errno.EAGAIN, errno.EACCES, errno.ENOLCK):
                return False  # taken; and a place that cannot be counted is none
            raise
        return True


def _full(why: str) -> DeploymentFull:
    return DeploymentFull(
        f"As many calls as this site allows are under way with this model, {why}.",
        headers=((b"retry-after", b"1"),),
    )
