"""Refused sign-ins hold the next one back: longer each time, never for good."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from appliance.access.backoff import FORGOTTEN_AFTER, FREE, LONGEST, held_until, still_counted, wait_after
from tests.appliance.papers import NOW


def test_the_first_cost_nothing_then_each_doubles_the_wait() -> None:
    waits = [wait_after(each).total_seconds() for each in range(15)]
    assert waits[:FREE] == [0] * FREE
    assert waits[FREE : FREE + 9] == [2, 4, 8, 16, 32, 64, 128, 256, 512]
    assert set(waits[FREE + 9 :]) == {LONGEST.total_seconds()}


@given(st.integers(0, 10**9), st.timedeltas(timedelta(days=-5000), timedelta(days=5000)))
def test_nobody_is_ever_held_for_longer_than_twice_the_longest_wait(failures: int, ago: timedelta) -> None:
    assert held_until(failures, NOW - ago, NOW) <= NOW + 2 * LONGEST


def test_a_clock_that_was_put_back_holds_nobody() -> None:
    assert held_until(1000, NOW + timedelta(days=365), NOW) <= NOW


def test_after_a_day_they_count_no_more() -> None:
    assert still_counted(9, NOW, NOW + FORGOTTEN_AFTER - timedelta(seconds=1)) == 9
    assert still_counted(9, NOW, NOW + FORGOTTEN_AFTER) == 0
