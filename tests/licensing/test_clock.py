"""The floor of time: it never falls, and a wrong clock cannot carry it away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licensing.clock import (
    BOOT_ALLOWANCE,
    STEP_LIMIT,
    Look,
    Step,
    TimeFloor,
    behind,
    observe,
    observe_boot,
    step_between,
    witness,
)
from tests.licensing.documents import at

BUILT = TimeFloor(at("2026-01-01"), "this release")
WALLS = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
UPTIMES = st.floats(0, 10**8)


@dataclass(frozen=True)
class Witness:
    moment: datetime


@dataclass(frozen=True)
class Boot:
    wall: datetime


@dataclass(frozen=True)
class Run:
    before: Look
    now: Look


LOOKS = st.builds(Look, WALLS, UPTIMES)
EVENTS = st.lists(st.builds(Witness, WALLS) | st.builds(Boot, WALLS) | st.builds(Run, LOOKS, LOOKS), max_size=20)


def after(floor: TimeFloor, event: Witness | Boot | Run) -> TimeFloor:
    match event:
        case Witness(moment):
            return witness(floor, moment, "a receipt")
        case Boot(wall):
            return observe_boot(floor, wall)
        case Run(before, now):
            return observe(floor, before, now)


@given(EVENTS)
@settings(deadline=None)
def test_the_floor_never_falls(events: list[Witness | Boot | Run]) -> None:
    floor = BUILT
    for event in events:
        following = after(floor, event)
        assert following.at >= floor.at
        floor = following


@given(EVENTS)
@settings(deadline=None)
def test_the_floor_never_passes_what_was_seen_and_no_event_adds_more_than_it_may(
    events: list[Witness | Boot | Run],
) -> None:
    floor = BUILT
    for event in events:
        following = after(floor, event)
        match event:
            case Witness(moment):
                assert following.at == max(floor.at, moment)
            case Boot(wall):
                assert following.at <= min(max(wall, floor.at), floor.at + BOOT_ALLOWANCE)
            case Run(before, now):
                uptime = timedelta(seconds=max(0.0, now.monotonic - before.monotonic))
                assert following.at <= min(max(now.wall, floor.at), floor.at + uptime)
        floor = following


@given(EVENTS)
@settings(deadline=None)
def test_the_source_names_what_raised_the_floor_last(events: list[Witness | Boot | Run]) -> None:
    """An operator who must repair a floor is told where it came from; what did not raise it is not to blame."""
    floor = BUILT
    for event in events:
        following = after(floor, event)
        assert (following.source == floor.source) or following.at > floor.at
        floor = following


def test_two_looks_in_the_same_instant_leave_the_source_alone() -> None:
    look = Look(at("2099-01-01"), 500.0)
    assert observe(BUILT, look, look) == BUILT


@pytest.mark.parametrize("interval", [1, 7, 60, 3600])
def test_a_clock_at_2099_for_an_hour_moves_the_floor_by_an_hour_and_one_boot(interval: int) -> None:
    wrong = at("2099-01-01")
    floor = observe_boot(BUILT, wrong)
    look = Look(wrong, 0.0)
    for second in range(interval, 3601, interval):
        following = Look(wrong + timedelta(seconds=second), float(second))
        floor = observe(floor, look, following)
        look = following
    assert floor.at <= BUILT.at + BOOT_ALLOWANCE + timedelta(hours=1)


def test_a_clock_that_jumps_between_looks_moves_the_floor_by_the_uptime_only() -> None:
    floor = observe(BUILT, Look(BUILT.at, 10.0), Look(at("2099-01-01"), 15.0))
    assert floor.at == BUILT.at + timedelta(seconds=5)


def test_a_right_clock_carries_the_floor_along() -> None:
    floor = observe(BUILT, Look(BUILT.at, 0.0), Look(BUILT.at + timedelta(seconds=60), 60.0))
    assert floor.at == BUILT.at + timedelta(seconds=60)


def test_a_floor_that_lags_catches_up_no_faster_than_uptime() -> None:
    """After three months in a cupboard: minutes at the boot, then a day a day, until a document vouches for more."""
    today = at("2026-04-01")
    floor = observe_boot(BUILT, today)
    assert floor.at == BUILT.at + BOOT_ALLOWANCE
    floor = observe(floor, Look(today, 0.0), Look(today + timedelta(days=1), 86_400.0))
    assert floor.at == BUILT.at + BOOT_ALLOWANCE + timedelta(days=1)
    assert witness(floor, today, "a receipt") == TimeFloor(today, "a receipt")


def test_a_monotonic_clock_that_runs_backwards_raises_nothing() -> None:
    assert observe(BUILT, Look(BUILT.at, 100.0), Look(at("2027-01-01"), 50.0)).at == BUILT.at


def test_a_witness_of_the_past_changes_nothing() -> None:
    assert witness(BUILT, at("2025-12-31"), "an old receipt") == BUILT
    assert witness(BUILT, BUILT.at, "a receipt of that very second") == BUILT


# --- steps


def looks(wall_seconds: float, uptime: float) -> tuple[Look, Look]:
    return Look(BUILT.at, 1000.0), Look(BUILT.at + timedelta(seconds=wall_seconds), 1000.0 + uptime)


@pytest.mark.parametrize(
    ("wall_seconds", "uptime", "jump"),
    [
        (60, 60, None),
        (90, 60, None),
        (30, 60, None),
        (91, 60, 31),
        (29, 60, -31),
        (60 + 3600, 60, 3600),
        (60 - 3600, 60, -3600),
        (86_400 * 365, 60, 86_400 * 365 - 60),
    ],
)
def test_a_step_is_the_wall_clock_leaving_the_monotonic_one(wall_seconds: int, uptime: int, jump: int | None) -> None:
    before, now = looks(wall_seconds, uptime)
    assert step_between(before, now) == (None if jump is None else Step(now.wall, jump))


@given(st.integers(-(10**8), 10**8), st.integers(0, 10**7))
@settings(deadline=None)
def test_exactly_the_steps_beyond_the_limit_are_seen(jump: int, uptime: int) -> None:
    before, now = looks(uptime + jump, uptime)
    step = step_between(before, now)
    assert (step is not None) is (abs(jump) > STEP_LIMIT.total_seconds())
    assert step is None or step.seconds == jump


# --- behind


@pytest.mark.parametrize(("seconds", "gap"), [(-1, None), (0, None), (299, None), (300, None), (301, 301)])
def test_a_clock_is_behind_only_beyond_the_tolerance(seconds: int, gap: int | None) -> None:
    found = behind(BUILT, BUILT.at - timedelta(seconds=seconds), timedelta(seconds=300))
    assert found == (None if gap is None else timedelta(seconds=gap))
