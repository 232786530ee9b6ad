"""Time without an authority: a floor below which no clock is believed, and how fast it may rise.

Promise: the floor never falls, but by a time token (`repair`). A verified document's date of issue raises it at once
(the vendor vouches for it). The host's own clock raises it only as fast as observed uptime allows, plus
BOOT_ALLOWANCE once per boot, so that a clock set to 2099 for an hour moves the floor by about an hour and not by
decades. Reads no clock: times are arguments.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

BOOT_ALLOWANCE = timedelta(minutes=4)
"""What one boot may add to the floor for time spent powered off; less than the usual tolerance of a licence, so that a
host that boots once with a clock gone wild is trusted again as soon as it is set right. Longer gaps are made up by the
dates of documents and by uptime."""

STEP_LIMIT = timedelta(seconds=30)
"""Wall time running away from the monotonic clock by more than this between two looks is recorded as a step."""


@dataclass(frozen=True, slots=True)
class TimeFloor:
    """`at`: no earlier time is believed. `source` says what last raised it, for the person who must repair it."""

    at: datetime
    source: str


@dataclass(frozen=True, slots=True)
class Look:
    """One reading of both clocks in one boot: wall time, and monotonic seconds."""

    wall: datetime
    monotonic: float


@dataclass(frozen=True, slots=True)
class Step:
    """The wall clock moved by `seconds` against the monotonic clock, seen at `at` (the wall time afterwards)."""

    at: datetime
    seconds: int


def witness(floor: TimeFloor, moment: datetime, source: str) -> TimeFloor:
    """Raises the floor to a time that somebody trusted has vouched for."""
    return TimeFloor(moment, source) if moment > floor.at else floor


def observe_boot(floor: TimeFloor, wall: datetime, tolerance: timedelta = BOOT_ALLOWANCE) -> TimeFloor:
    """Raises the floor by the host's clock at a boot: for the time spent powered off.

    By BOOT_ALLOWANCE at most, and never by more than the licence's tolerance: one boot with a wrong clock locks
    nobody out.
    """
    return _raise_by(floor, wall, min(BOOT_ALLOWANCE, tolerance))


def observe(floor: TimeFloor, before: Look, now: Look) -> TimeFloor:
    """Raises the floor by the host's clock while running: by no more than the uptime between two looks."""
    return _raise_by(floor, now.wall, timedelta(seconds=max(0.0, now.monotonic - before.monotonic)))


def repair(vouched: datetime) -> TimeFloor:
    """The floor after a time token: what the vendor vouched for, also where that is lower than before."""
    return TimeFloor(vouched, "a time token")


def _raise_by(floor: TimeFloor, wall: datetime, at_most: timedelta) -> TimeFloor:
    at = min(wall, floor.at + at_most)
    return TimeFloor(at, "this host's clock") if at > floor.at else floor


def step_between(before: Look, now: Look) -> Step | None:
    """The wall clock's jump between two looks, if it is larger than STEP_LIMIT."""
    expected = before.wall + timedelta(seconds=now.monotonic - before.monotonic)
    jump = now.wall - expected
    return Step(now.wall, round(jump.total_seconds())) if abs(jump) > STEP_LIMIT else None


def behind(floor: TimeFloor, wall: datetime, tolerance: timedelta) -> timedelta | None:
    """How far the clock is below the floor, if that is more than the tolerance."""
    gap = floor.at - wall
    return gap if gap > tolerance else None
