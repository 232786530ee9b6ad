"""Requests of any minute: caps hold exactly, in every interval, whatever becomes of the file and of the cap."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.access.account import Ask, Full
from appliance.access.window import PER_SECOND, WINDOW_SECONDS
from tests.appliance.access.counted import account, admitted, at, full, opened, taken

GRAIN = 1 / PER_SECOND
TIMES = st.lists(st.floats(-2, 40).map(lambda gap: round(gap, 3)), min_size=1, max_size=120)


@given(st.integers(1, 12), TIMES)
@settings(max_examples=80, deadline=None)
def test_no_interval_of_a_minute_holds_more_calls_than_the_cap(rpm: int, gaps: list[float]) -> None:
    """Times may step back, as between two processes; where they do not, no call is refused for which there has been
    room for a grain of the window."""
    with TemporaryDirectory() as folder:
        quota, whose = opened(Path(folder)), account(rpm=rpm)
        now, stamps = 1000.0, list[float]()
        for gap in gaps:
            now += gap
            room = sum(now - stamp < WINDOW_SECONDS + GRAIN for stamp in stamps) < rpm
            answer = quota.admit((whose,), Ask(), at(now))
            if isinstance(answer, Full):
                assert answer.limit == "rpm"
                assert not room or min(gaps) < 0
                assert answer.wait is not None
            else:
                stamps.append(now)
        quota.close()
        for stamp in stamps:
            assert sum(stamp <= other < stamp + WINDOW_SECONDS for other in stamps) <= rpm


@given(st.integers(1, 10), st.lists(st.sampled_from([0.0, 0.1, 7.0, 59.9, 60.0, 61.0]), max_size=40))
@settings(max_examples=60, deadline=None)
def test_a_refused_call_is_admitted_after_the_wait_it_was_told(rpm: int, gaps: list[float]) -> None:
    with TemporaryDirectory() as folder:
        quota, whose = opened(Path(folder)), account(rpm=rpm)
        now = 1000.0
        for gap in gaps:
            now += gap
            answer = quota.admit((whose,), Ask(), at(now))
            if isinstance(answer, Full):
                assert answer.wait is not None
                now = math.nextafter(now + answer.wait, math.inf)
                taken(quota, at(now), whose)
        quota.close()


def test_what_remains_counts_down_and_comes_back(tmp_path: Path) -> None:
    quota, whose = opened(tmp_path), account(rpm=3)
    rooms = [taken(quota, at(1000.0 + n), whose).requests_room for n in range(3)]
    assert [room.left for room in rooms if room] == [2, 1, 0]
    assert [room.cap for room in rooms if room] == [3, 3, 3]
    refused = full(quota, at(1003.0), whose)
    assert (refused.limit, refused.wait) == ("rpm", 57.0 + GRAIN)
    assert taken(quota, at(1060.0 + GRAIN), whose).requests_room.left == 0  # type: ignore[union-attr]  # it is capped
    assert taken(quota, at(1200.0), whose).requests_room.left == 2  # type: ignore[union-attr]  # it is capped


def test_a_new_opening_of_the_same_boot_keeps_the_history(tmp_path: Path) -> None:
    first, whose = opened(tmp_path), account(rpm=50)
    assert admitted(first, at(1000.0), 40, whose) == 40
    first.close()
    assert admitted(opened(tmp_path), at(1001.0), 100, whose) == 10


def test_another_boot_starts_afresh(tmp_path: Path) -> None:
    first, whose = opened(tmp_path), account(rpm=50)
    assert admitted(first, at(90_000.0), 50, whose) == 50
    assert admitted(opened(tmp_path, b"second boot....."), at(12.0), 100, whose) == 50


def test_a_cap_that_changes_holds_at_once(tmp_path: Path) -> None:
    quota = opened(tmp_path)
    assert admitted(quota, at(1000.0), 700, account(rpm=600)) == 600
    assert admitted(quota, at(1001.0), 4000, account(rpm=3000)) == 2400
    assert admitted(opened(tmp_path), at(1002.0), 10, account(rpm=3000)) == 0
    assert admitted(quota, at(1002.0), 10, account(rpm=600)) == 0
    assert admitted(quota, at(1061.5), 700, account(rpm=600)) == 600


def test_two_processes_see_each_others_calls_and_accounts(tmp_path: Path) -> None:
    one, other = opened(tmp_path), opened(tmp_path)
    for number in range(40):
        whose = account(f"team {number}", rpm=3)
        assert admitted(one, at(1000.0), 2, whose) == 2
        assert admitted(other, at(1000.0), 2, whose) == 1
        assert admitted(one, at(1000.0), 2, whose) == 0


def test_calls_that_nothing_caps_are_not_counted_but_those_of_other_tiers_are(tmp_path: Path) -> None:
    quota, org, key = opened(tmp_path), account("org", rpm=100), account("key", concurrent=500)
    assert admitted(quota, at(1000.0), 300, org, key) == 100
    assert quota.used(key, at(1000.0))["concurrent"] == 100
