"""All tiers at once: a call fits every cap or uses up nothing, and what it really used takes the place of a guess."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.access.account import DAY_SECONDS, Full, Moment, Spent, month_of
from appliance.access.quota import Taken
from appliance.access.region import RECORDS
from tests.appliance.access.counted import DAY, account, admitted, ask, at, full, opened, taken

MONTH = month_of(DAY)


def test_a_call_must_fit_every_tier_and_the_refusal_names_the_one_that_is_full(tmp_path: Path) -> None:
    quota = opened(tmp_path)
    org, team, key = account("org", rpm=5), account("team", rpm=3), account("key", rpm=2)
    assert admitted(quota, at(0), 9, org, team, key) == 2
    assert full(quota, at(0), org, team, key).account is key
    assert admitted(quota, at(0), 9, org, team, account("key 2", rpm=2)) == 1
    assert full(quota, at(0), org, team, account("key 3", rpm=2)).account is team
    assert admitted(quota, at(0), 9, org, account("team 2", rpm=9)) == 2
    assert full(quota, at(0), org, account("team 2", rpm=9)).account is org


def test_a_refused_call_uses_up_nothing_anywhere(tmp_path: Path) -> None:
    quota, org, key = opened(tmp_path), account("org", rpm=9, tpm=100, concurrent=9), account("key", rpm=1)
    assert admitted(quota, at(0), 50, org, key, of=ask(5)) == 1
    used = quota.used(org, at(0))
    assert (used["rpm"], used["concurrent"], used["tpm"]) == (1, 1, 0)
    assert admitted(quota, at(0), 50, org, of=ask(5)) == 8


def test_the_cap_that_frees_up_last_is_the_one_that_is_told(tmp_path: Path) -> None:
    quota = opened(tmp_path)
    spent = Spent(DAY, 10, 0, MONTH, 10, 0)
    short, long = account("short", rpm=1), account("long", spent, tokens_day=10)
    taken(quota, at(0), short)
    refused = full(quota, at(1), short, long, of=ask(1))
    assert (refused.account.name, refused.limit) == ("The long", "tokens_day")


def test_what_is_reserved_keeps_others_out_until_the_truth_is_known(tmp_path: Path) -> None:
    quota, whose = opened(tmp_path), account(tpm=100)
    first = taken(quota, at(0), whose, of=ask(20, 60))
    assert full(quota, at(0), whose, of=ask(10, 20)).limit == "tpm"
    quota.settle(first, 25, 0, at(1))
    assert quota.used(whose, at(1))["tpm"] == 25
    taken(quota, at(1), whose, of=ask(10, 65))
    assert full(quota, at(1), whose, of=ask(1)).wait == 1.0, "it hangs on calls that are under way"


def test_a_call_that_bounds_nothing_needs_room_for_its_prompt_and_reserves_more(tmp_path: Path) -> None:
    quota, whose = opened(tmp_path), account(tpm=100)
    open_ended = ask(50, 1024, bounded=False)
    taken(quota, at(0), whose, of=open_ended)
    assert full(quota, at(0), whose, of=ask(1)).limit == "tpm"


def test_a_call_larger_than_the_cap_goes_alone(tmp_path: Path) -> None:
    quota, whose = opened(tmp_path), account(tpm=100)
    large = taken(quota, at(0), whose, of=ask(50, 4000))
    assert isinstance(quota.admit((whose,), ask(1), at(0)), Full)
    quota.settle(large, 60, 0, at(1))
    assert isinstance(quota.admit((whose,), ask(50, 4000), at(2)), Full)
    assert isinstance(quota.admit((whose,), ask(50, 4000), at(61.5)), Taken)


def test_a_place_is_free_again_when_a_call_is_settled(tmp_path: Path) -> None:
    quota, whose = opened(tmp_path), account(concurrent=2)
    calls = [taken(quota, at(0), whose) for _ in range(2)]
    assert full(quota, at(100), whose).limit == "concurrent"
    quota.settle(calls[0], 7, 0, at(100))
    assert admitted(quota, at(100), 5, whose) == 1


def test_more_calls_than_a_page_of_records_may_be_under_way(tmp_path: Path) -> None:
    quota, whose = opened(tmp_path), account(concurrent=10_000)
    calls = [taken(quota, at(0), whose) for _ in range(3 * RECORDS + 5)]
    assert quota.used(whose, at(0))["concurrent"] == len(calls)
    for call in calls:
        quota.settle(call, 1, 0, at(1))
    assert quota.used(whose, at(1))["concurrent"] == 0
    assert quota.used(whose, at(1))["tpm"] == len(calls)


def test_a_days_budget_is_used_up_until_midnight_and_a_months_until_the_first(tmp_path: Path) -> None:
    quota, day, month = opened(tmp_path), account("day", tokens_day=50), account("month", tokens_month=50)
    for each in (day, month):
        quota.settle(taken(quota, at(0), each, of=ask(50)), 50, 0, at(0))
    noon = at(0).wall
    assert full(quota, at(0), day, of=ask(1)).wait == DAY_SECONDS / 2
    midnight = Moment(43_200.0, noon + 43_200)
    assert isinstance(quota.admit((day,), ask(1), midnight), Taken)
    refused = full(quota, midnight, month, of=ask(1))
    assert refused.wait is not None
    first = Moment(43_200 + refused.wait, midnight.wall + refused.wait)
    assert month_of(first.day) == MONTH + 1
    assert month_of(Moment(0, first.wall - 1).day) == MONTH
    assert isinstance(quota.admit((month,), ask(1), first), Taken)


def test_costs_are_budgets_too_and_a_call_dearer_than_a_whole_budget_never_fits(tmp_path: Path) -> None:
    quota, whose = opened(tmp_path), account(cost_day=1_000)
    assert full(quota, at(0), whose, of=ask(1, 1, cost=1_001)).wait is None
    call = taken(quota, at(0), whose, of=ask(1, 1, cost=900))
    assert full(quota, at(0), whose, of=ask(1, 1, cost=200)).limit == "cost_day"
    quota.settle(call, 2, 300, at(1))
    assert quota.used(whose, at(1))["cost_day"] == 300
    taken(quota, at(1), whose, of=ask(1, 1, cost=700))


def test_what_the_ledger_knows_is_used_up_whatever_the_file_says(tmp_path: Path) -> None:
    spent = Spent(DAY, 40, 0, MONTH, 90, 0)
    whose = account(spent=spent, tokens_day=50, tokens_month=100)
    quota = opened(tmp_path)
    assert quota.used(whose, at(0))["tokens_month"] == 90
    assert full(quota, at(0), whose, of=ask(11)).limit in ("tokens_day", "tokens_month")
    quota.settle(taken(quota, at(0), whose, of=ask(10)), 10, 0, at(0))
    quota.close()
    (tmp_path / "quota").unlink()
    again = account(spent=Spent(DAY, 50, 0, MONTH, 100, 0), tokens_day=50, tokens_month=100)
    assert isinstance(opened(tmp_path).admit((again,), ask(1), at(1)), Full), "a new file is no fresh budget"


def test_a_clock_that_was_a_day_ahead_for_a_while_leaves_no_budget_locked(tmp_path: Path) -> None:
    quota = opened(tmp_path)
    ahead = Moment(0.0, at(0).wall + 3 * DAY_SECONDS)
    quota.settle(taken(quota, ahead, account(tokens_day=50), of=ask(50)), 50, 0, ahead)
    fresh = account(spent=Spent(DAY, 5, 0, MONTH, 5, 0), tokens_day=50)
    taken(quota, at(10), fresh, of=ask(40))


def test_a_worker_that_is_gone_leaves_its_calls_counted_and_their_places_free(tmp_path: Path) -> None:
    dead, alive = opened(tmp_path), opened(tmp_path)
    whose = account(concurrent=2, tokens_day=1_000)
    for _ in range(2):
        taken(dead, at(0), whose, of=ask(100, 200))
    assert alive.look(at(1)) == 0, "whoever holds them lives"
    assert isinstance(alive.admit((whose,), ask(1), at(1)), Full)
    dead.close()
    assert alive.look(at(2)) == 2
    assert alive.used(whose, at(2))["tokens_day"] == 600
    assert admitted(alive, at(2), 5, whose, of=ask(1)) == 2


def test_a_file_that_is_taken_away_is_followed_and_settled_calls_still_count(tmp_path: Path) -> None:
    quota, whose = opened(tmp_path), account(tpm=100, concurrent=3)
    call = taken(quota, at(0), whose, of=ask(10, 20))
    (tmp_path / "quota").unlink()
    quota.look(at(1))
    quota.settle(call, 30, 0, at(1))
    used = quota.used(whose, at(1))
    assert (used["tpm"], used["concurrent"]) == (30, 0)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.1, 3.0, 20.0, 61.0]),
            st.integers(0, 60),
            st.integers(0, 60),
            st.integers(0, 120),
            st.booleans(),
        ),
        max_size=60,
    )
)
@settings(max_examples=60, deadline=None)
def test_calls_that_keep_to_what_they_asked_never_exceed_the_tokens_of_a_minute(
    steps: list[tuple[float, int, int, int, bool]],
) -> None:
    """Calls bound themselves, and end at once or after the next."""
    with TemporaryDirectory() as folder:
        quota, whose = opened(Path(folder)), account(tpm=100)
        now, used, waiting = 1000.0, list[tuple[float, int]](), list[tuple[Taken, int]]()
        for gap, prompt, output, real, at_once in steps:
            now += gap
            answer = quota.admit((whose,), ask(prompt, min(output, 100 - prompt)), at(now))
            if isinstance(answer, Taken):
                waiting.append((answer, min(real, answer.tokens)))
            while waiting and (at_once or len(waiting) > 1):
                call, tokens = waiting.pop(0)
                quota.settle(call, tokens, 0, at(now))
                used.append((now, tokens))
            assert sum(tokens for when, tokens in used if now - when < 60) <= 100
        quota.close()


@pytest.mark.parametrize("cap", ["rpm", "tpm", "concurrent", "tokens_day", "tokens_month", "cost_day", "cost_month"])
def test_each_cap_is_one_that_refuses(tmp_path: Path, cap: str) -> None:
    quota, whose = opened(tmp_path), account("team", None, **{cap: 1})
    taken(quota, at(0), whose, of=ask(1, 0, cost=1))
    assert full(quota, at(0), whose, of=ask(1, 0, cost=1)).limit == cap
