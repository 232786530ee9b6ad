"""What a key's use is judged by, signal by signal; what is learnt, what is forgotten, and how much room it takes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.access.anomaly.history import (
    DAY,
    HOUR,
    MODELS,
    NETWORKS,
    Happened,
    History,
    accept,
    amount_of,
    far_apart,
    learn,
    level,
)
from appliance.access.anomaly.judge import FIRST_CALLS, THRESHOLDS, Rules, Signal, is_news, judge, knowledge
from appliance.access.anomaly.surroundings import ACCOUNTS, THINGS, Surroundings
from tests.appliance.access.anomaly.traffic import MINUTE, START, call, refusal

HOME, FAR, NEAR = "10.1.1.0/24", "203.0.113.0/24", "10.1.9.0/24"
NOON = START + 19 * DAY + 12 * HOUR
"""A Tuesday."""


def office(days: int = 19, *, upto: int = NOON) -> History:
    """Twenty calls an hour from eight to six."""
    history = History()
    for day in range(days):
        for minute in range(8 * 60, 18 * 60, 3):
            at = START + (19 - days + 1 + day) * DAY + minute * MINUTE
            if at < upto:
                learn(history, call(at, HOME))
    return history


def names(history: History, at: int, around: Surroundings | None = None) -> dict[str, Signal]:
    return {each.name: each for each in judge(history, around or Surroundings(), "me", at).signals}


def test_use_as_always_is_nothing() -> None:
    judgement = judge(office(), Surroundings(), "me", NOON)
    assert (judgement.score, judgement.words, judgement.weight) == (0, "nothing unusual", 1.0)


def test_a_network_never_seen_before_counts_more_when_it_is_far_away() -> None:
    near, far = office(), office()
    learn(near, call(NOON, NEAR))
    learn(far, call(NOON, FAR))
    assert names(near, NOON)["new_network"].points == 30
    assert names(far, NOON)["new_network"].points == 40
    assert FAR in names(far, NOON)["new_network"].words


def test_a_new_network_alone_pauses_no_key() -> None:
    """A site behind another NAT is no leak, at any sensitivity."""
    history = office(upto=NOON - HOUR)
    learn(history, call(NOON, FAR))
    assert judge(history, Surroundings(), "me", NOON).score < min(THRESHOLDS.values())


def test_where_others_come_from_as_well_is_no_sign() -> None:
    around = Surroundings()
    history = office()
    learn(history, call(NOON, FAR))
    around.note("n", FAR, "other")
    assert names(history, NOON, around)["new_network"].points == 40
    around.note("n", FAR, "third")
    assert names(history, NOON, around)["new_network"].points == 5


def test_a_key_cannot_vouch_for_itself() -> None:
    around = Surroundings()
    for _ in range(5):
        around.note("n", FAR, "me")
    around.note("n", FAR, "other")
    assert not around.is_usual("n", FAR, "me")


def test_use_at_once_from_far_apart_counts_more_the_longer_it_lasts() -> None:
    history = office()
    points = []
    for minute in range(0, 30, 5):
        learn(history, call(NOON + minute * MINUTE, HOME))
        learn(history, call(NOON + minute * MINUTE + 1000, FAR))
        points.append(names(history, NOON + minute * MINUTE + 1000)["at_once"].points)
    assert points == [25, 30, 35, 40, 45, 50]


def test_a_jump_is_told_with_its_figures() -> None:
    history = office()
    for second in range(200):
        learn(history, call(NOON + second * 1000, HOME))
    told = names(history, NOON + 200_000)["jump"]
    assert told.points == 40
    assert "201 calls" in told.words or "200 calls" in told.words


def test_growth_by_a_little_each_day_is_no_jump() -> None:
    history = History()
    for day in range(40):
        for number in range(round(60 * 1.05**day)):
            learn(history, call(START + day * DAY + 9 * HOUR + number * (8 * HOUR // round(60 * 1.05**day)), HOME))
        assert not names(history, START + day * DAY + 17 * HOUR).keys() & {"jump", "day"}


def test_an_hour_at_which_a_key_sleeps_is_told() -> None:
    history = office(upto=NOON + 12 * HOUR)
    night = START + 20 * DAY + 3 * HOUR
    for number in range(25):
        learn(history, call(night + number * 1000, HOME))
    assert names(history, night + 25_000)["hour"].points == 30
    assert "03:00" in names(history, night + 25_000)["hour"].words


def test_an_hour_of_every_night_is_usual_for_a_batch() -> None:
    history = History()
    for day in range(20):
        for number in range(60):
            learn(history, call(START + day * DAY + 2 * HOUR + number * 5000, HOME))
    assert "hour" not in names(history, START + 19 * DAY + 2 * HOUR + 300_000)


def test_a_model_asked_for_the_first_time_is_told_unless_others_ask_for_it() -> None:
    history, around = office(), Surroundings()
    learn(history, call(NOON, HOME, "secret-model"))
    assert "secret-model" in names(history, NOON)["new_model"].words
    around.note("m", "secret-model", "one")
    around.note("m", "secret-model", "two")
    assert "new_model" not in names(history, NOON, around)


def test_refused_requests_count_from_the_first_day_and_those_over_a_cap_hardly() -> None:
    young, capped = History(), office()
    for second in range(60):
        learn(young, refusal(NOON + second * 1000, FAR))
        learn(capped, refusal(NOON + second * 1000, HOME, throttled=True))
    assert judge(young, Surroundings(), "me", NOON + 60_000).score >= 35
    assert "refused" not in names(capped, NOON + 60_000)


def test_a_key_of_which_little_is_known_is_judged_mildly() -> None:
    assert knowledge(office(2)) == 0
    assert knowledge(office(3)) == pytest.approx(3 / 7)
    assert knowledge(office(7)) == 1
    assert knowledge(History(days=10, requests=FIRST_CALLS - 1)) == 0
    history = office(2)
    for second in range(300):
        learn(history, call(NOON + second * 1000, FAR, "other"))
    assert judge(history, Surroundings(), "me", NOON + 300_000).score == 0


def test_what_an_operator_found_good_is_usual_from_then_on() -> None:
    history = office()
    for second in range(250):
        learn(history, call(NOON + second * 1000, FAR, "other"))
    assert judge(history, Surroundings(), "me", NOON + 250_000).score >= 70
    accept(history, NOON + 260_000)
    for second in range(270, 520):
        learn(history, call(NOON + second * 1000, FAR, "other"))
        assert judge(history, Surroundings(), "me", NOON + second * 1000).score < 50


def test_what_came_after_it_was_found_good_counts_again() -> None:
    history = office()
    learn(history, call(NOON, FAR))
    accept(history, NOON + 1000)
    other = "198.51.100.0/24"
    learn(history, call(NOON + 2000, other))
    assert other in names(history, NOON + 2000)["new_network"].words


def test_a_finding_is_told_once_a_day_or_when_it_is_much_worse() -> None:
    history = office()
    for second in range(250):
        learn(history, call(NOON + second * 1000, FAR))
    found = judge(history, Surroundings(), "me", NOON + 250_000)
    assert is_news(history, found, NOON)
    history.found, history.found_score = NOON, found.score
    assert not is_news(history, found, NOON + HOUR)
    assert is_news(history, found, NOON + DAY)


def test_by_default_a_key_is_watched_and_not_paused() -> None:
    assert (Rules().sensitivity, Rules().mode, Rules().threshold) == ("normal", "shadow", 70)
    assert Rules("off").threshold is None


def test_a_clock_that_was_ahead_makes_nobody_wait_for_it() -> None:
    history = office()
    learn(history, call(NOON + 400 * DAY, HOME))
    for second in range(10):
        learn(history, call(NOON + second * 1000, HOME))
    assert history.bucket.start <= NOON
    assert history.bucket.requests == 10 or history.bucket.requests == 9


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ("10.1.1.0/24", "10.1.200.0/24", False),
        ("10.1.1.0/24", "10.2.1.0/24", True),
        ("2001:db8:1::/48", "2001:db8:2::/48", False),
        ("2001:db8:1::/48", "2001:db9:1::/48", True),
        ("10.1.1.0/24", "2001:db8:1::/48", True),
    ],
)
def test_far_apart_is_another_16_or_32(one: str, other: str, apart: bool) -> None:
    assert far_apart(one, other) is apart


@given(st.integers(0, 10**9))
def test_a_class_holds_its_amount(amount: int) -> None:
    assert 0 <= level(amount) < 32
    if 0 < amount < 2**15:
        assert amount_of(level(amount)) / 2**0.5 <= amount * 1.0000001
        assert amount <= amount_of(level(amount)) * 1.0000001


_HAPPENED = st.builds(
    Happened,
    at=st.integers(START, START + 400 * DAY),
    ended_at=st.just(0),
    source=st.integers(0, 500).map(lambda n: f"10.{n}.0.0/24" if n else ""),
    model=st.integers(0, 200).map(lambda n: f"m{n}" if n else ""),
    tokens=st.integers(0, 10**7),
    refused=st.sampled_from([0, 0, 1, 1000]),
    throttled=st.booleans(),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(_HAPPENED, max_size=300))
def test_a_history_stays_small_and_whole_whatever_happens(everything: list[Happened]) -> None:
    history, around = History(), Surroundings()
    for each in everything:
        learn(history, each)
        around.note("n", each.source, str(each.tokens))
        assert 0 <= judge(history, around, "me", each.at).score <= 300
    assert len(history.networks) <= NETWORKS
    assert len(history.models) <= MODELS
    kept = msgspec.json.encode(history)
    assert len(kept) < 20_000
    assert msgspec.json.decode(kept, type=History) == history


def test_what_is_known_of_a_site_is_bounded() -> None:
    around = Surroundings()
    for number in range(THINGS + 100):
        for account in range(ACCOUNTS + 3):
            around.note("n", f"net {number}", f"{account}")
    assert len(around.seen) == THINGS
    assert max(map(len, around.seen.values())) == ACCOUNTS
