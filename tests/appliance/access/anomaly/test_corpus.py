"""On a simulated site: fast leaks are found, keys of many habits are left alone. The seeds make it the same each time.

`python -m tests.bench.anomaly` gives the figures over more sites.
"""

from __future__ import annotations

import pytest

from tests.appliance.access.anomaly.replay import LEAK_DAY, Weeks, found_after, live
from tests.appliance.access.anomaly.traffic import HABITS, LEAKS, Leak

SEED = 3
DAYS = 30
FALSE_ALARMS = {"normal": 0.25, "low": 0.02}
"""At most so many a key-month."""

MEANT = {"moved during the day", "second site", "laptop"}
"""Uses that look like a leak: from far away for the first time, while the key is used where it always was."""

OWNERS_AT_WORK = {"around the clock", "office", "growing", "at its cap", "behind another NAT"}
DELAYS = {
    "fast scraper, new network": 300,
    "use at night, new network": 3 * 3600,
    "probing of models": 300,
    "refused again and again": 300,
    "at once from far apart": 3600,
}
"""Seconds within which a fast leak is found at normal sensitivity."""


@pytest.fixture(scope="module")
def weeks() -> Weeks:
    return live(SEED, DAYS, keep=(LEAK_DAY,), sensitivities=("normal", "low"))


@pytest.mark.parametrize("sensitivity", ["normal", "low"])
def test_ordinary_keys_are_suspected_rarely(weeks: Weeks, sensitivity: str) -> None:
    assert weeks.a_key_month(sensitivity) <= FALSE_ALARMS[sensitivity]  # type: ignore[arg-type]


def test_only_what_looks_like_a_leak_from_outside_is_taken_for_one(weeks: Weeks) -> None:
    assert {each.habit for each in weeks.alarms} <= MEANT


@pytest.mark.parametrize("leak", [leak for leak in LEAKS if leak.fast], ids=lambda leak: leak.name)
def test_a_fast_leak_is_found_in_time(weeks: Weeks, leak: Leak) -> None:
    for habit in HABITS:
        if leak.name == "at once from far apart" and habit.name not in OWNERS_AT_WORK:
            continue
        found = found_after(weeks.sites[LEAK_DAY], SEED, habit, leak)["normal"]
        assert found is not None, habit.name
        assert found[0] <= DELAYS[leak.name], (habit.name, found)


def test_what_looks_like_use_is_not_claimed_to_be_found(weeks: Weeks) -> None:
    """From where the key is always used, slowly, by day: the page says that nothing tells it from use."""
    slow = next(each for each in LEAKS if each.name == "slow siphon within the house")
    office = next(each for each in HABITS if each.name == "office")
    assert found_after(weeks.sites[LEAK_DAY], SEED, office, slow)["normal"] is None
