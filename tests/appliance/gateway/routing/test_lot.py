"""Lots: fair to the weights, the same for the same key, and unmoved by what does not concern them."""

from __future__ import annotations

import math
import random

from hypothesis import given
from hypothesis import strategies as st

from appliance.config.policy import Policy, StickyBy
from appliance.gateway.routing.candidate import mark_of
from appliance.gateway.routing.lot import lot
from tests.appliance.gateway.routing.deployments import decided, fake, names, table

DRAWS = 4000
KEYS = range(3000)
BY_USER = Policy(pick="sticky", sticky=(StickyBy("user"),))

weights = st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0, 10.0]), min_size=2, max_size=5).filter(any)


def winner(deployments: dict[str, float], key: int) -> str:
    return max(deployments, key=lambda name: lot(mark_of(name.encode()), key, deployments[name]))


def expected(share: float, draws: int) -> float:
    """Five standard deviations of a binomial: what chance alone does not exceed in a lifetime of runs."""
    return 5 * math.sqrt(share * (1 - share) * draws) + 1


@given(weights, st.integers(0, 2**32))
def test_weights_converge_to_their_shares(given_weights: list[float], seed: int) -> None:
    source = random.Random(seed)
    deployments = {f"chat#{number}": weight for number, weight in enumerate(given_weights)}
    won = dict.fromkeys(deployments, 0)
    for _ in range(400):
        won[winner(deployments, source.getrandbits(64))] += 1
    for name, weight in deployments.items():
        share = weight / sum(given_weights)
        assert abs(won[name] - share * 400) <= expected(share, 400)


def test_a_canary_gets_ten_thirty_and_a_hundred_percent() -> None:
    source = random.Random(7)
    for percent in (10, 30, 100):
        pair = table(
            fake("old", weight=100.0 - percent), fake("canary", weight=float(percent)), policy=Policy(pick="weighted")
        )
        first = [names(decided(pair, draw=source.getrandbits(64)))[0] for _ in range(DRAWS)]
        assert abs(first.count("canary") - DRAWS * percent / 100) <= expected(percent / 100, DRAWS)


def test_one_of_weight_zero_is_tried_last_and_never_first() -> None:
    pair = table(fake("off", weight=0.0), fake("on"), policy=Policy(pick="weighted"))
    assert {tuple(names(decided(pair, draw=draw << 17))) for draw in range(300)} == {("on", "off")}


@given(weights, st.binary(min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_a_sticky_key_stays_whatever_is_drawn(given_weights: list[float], user: bytes, source: random.Random) -> None:
    fleet = table(*(fake(f"d{number}", weight=weight) for number, weight in enumerate(given_weights)), policy=BY_USER)
    orders = {tuple(names(decided(fleet, user=user, draw=source.getrandbits(64)))) for _ in range(5)}
    assert len(orders) == 1


@given(weights, st.sampled_from([0.5, 1.0, 4.0]))
def test_a_deployment_that_is_added_moves_its_share_and_nobody_else(given_weights: list[float], added: float) -> None:
    before = {f"d{number}": weight for number, weight in enumerate(given_weights)}
    after = before | {"new": added}
    moved = 0
    for key in range(300):
        drawn = mark_of(b"session %d" % key)
        was, became = winner(before, drawn), winner(after, drawn)
        assert became in (was, "new")
        moved += became == "new"
    share = added / sum(after.values())
    assert moved <= share * 300 + expected(share, 300)


def test_a_deployment_that_goes_leaves_the_others_keys_where_they_were() -> None:
    before = dict.fromkeys(("a", "b", "c", "d"), 1.0)
    after = {name: weight for name, weight in before.items() if name != "c"}
    for key in KEYS:
        drawn = mark_of(b"%d" % key)
        assert winner(before, drawn) == "c" or winner(after, drawn) == winner(before, drawn)


def test_the_next_one_of_a_sticky_key_is_as_sticky_as_the_first() -> None:
    fleet = [fake(name) for name in "abcd"]
    for key in range(200):
        user = b'"user-%d"' % key
        first, second, *_ = names(decided(table(*fleet, policy=BY_USER), user=user))
        rest = table(*(each for each in fleet if each.id != first), policy=BY_USER)
        assert names(decided(rest, user=user))[0] == second
