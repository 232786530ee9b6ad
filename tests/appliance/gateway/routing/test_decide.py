"""The pipeline: who may answer, in which order, and that a filter is never loosened."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.config.policy import CircuitRule, Keep, LatencyRule, OrderStep, Policy, Price, StickyBy, When
from appliance.gateway.health import Conditions
from tests.appliance.gateway.routing.deployments import Fake, decided, fake, names, table

EU, CN, GOLD = fake("eu", "eu"), fake("cn", "cn"), fake("gold", "eu", "premium")
ENTERPRISE = When("header", b"x-customer-tier", frozenset({"enterprise"}))


def resting(*ids: str, until: float = 10.0) -> Conditions:
    conditions = Conditions()
    for name in ids:
        conditions[name].rest(until, 0.0)
    return conditions


def test_without_a_policy_the_order_is_as_written() -> None:
    assert names(decided(table(EU, CN, GOLD))) == ["eu", "cn", "gold"]


def test_a_deployment_without_the_endpoint_is_left_out() -> None:
    made = decided(table(fake("no", lacks=frozenset({"embeddings"})), EU), endpoint="embeddings")
    assert names(made) == ["eu"]
    assert [(each.candidate.id, each.why) for each in made.left_out] == [("no", "has no such endpoint")]


@pytest.mark.parametrize(
    ("sent", "left"),
    [
        ({}, ["eu", "cn", "gold"]),
        ({b"x-ao-tags": b"cn"}, ["cn"]),
        ({b"x-ao-tags": b" cn , premium"}, ["cn", "gold"]),
        ({b"x-ao-tags": b"mars"}, []),
        ({b"x-ao-tags": b" , "}, ["eu", "cn", "gold"]),
    ],
)
def test_a_call_may_name_the_tags_it_wants(sent: dict[bytes, bytes], left: list[str]) -> None:
    policy = Policy(filter=(Keep(frozenset(), b"x-ao-tags"),))
    assert names(decided(table(EU, CN, GOLD, policy=policy), headers=sent)) == left


@pytest.mark.parametrize(
    ("when", "call", "left"),
    [
        (ENTERPRISE, {"headers": {b"x-customer-tier": b"enterprise"}}, ["gold"]),
        (ENTERPRISE, {"headers": {b"x-customer-tier": b"free"}}, ["eu", "cn", "gold"]),
        (ENTERPRISE, {"headers": {b"x-customer-tier": b"\xff"}}, ["eu", "cn", "gold"]),
        (When("team", b"", frozenset({"ward-3"})), {}, ["gold"]),
        (When("org", b"", frozenset({"bank"})), {}, ["eu", "cn", "gold"]),
        (When("key", b"", frozenset({"key-1"})), {}, ["gold"]),
    ],
)
def test_a_rule_may_depend_on_a_header_and_on_whose_key_it_is(
    when: When, call: dict[str, Any], left: list[str]
) -> None:
    policy = Policy(filter=(Keep(frozenset({"premium"}), b"", when),))
    assert names(decided(table(EU, CN, GOLD, policy=policy), **call)) == left


def test_rules_add_up() -> None:
    policy = Policy(filter=(Keep(frozenset({"eu"})), Keep(frozenset({"premium", "cn"}))))
    made = decided(table(EU, CN, GOLD, policy=policy))
    assert names(made) == ["gold"]
    assert {each.candidate.id: each.why for each in made.left_out} == {
        "cn": "filter: keep [eu]",
        "eu": "filter: keep [cn, premium]",
    }


TAGS = ("a", "b", "c")
fleets = st.lists(st.frozensets(st.sampled_from(TAGS)), min_size=1, max_size=6).map(
    lambda every: [Fake(f"d{number}", tags) for number, tags in enumerate(every)]
)
rules = st.lists(st.frozensets(st.sampled_from(TAGS), min_size=1).map(Keep), max_size=3).map(tuple)
orders = st.lists(st.sampled_from([OrderStep("latency"), OrderStep("cost"), OrderStep("tags", TAGS)]), max_size=3)


@given(fleets, rules, orders.map(tuple), st.sampled_from(["first", "weighted"]), st.integers(0, 2**64 - 1), st.data())
def test_nobody_whom_a_filter_leaves_out_is_ever_tried(
    fleet: list[Fake],
    keep: tuple[Keep, ...],
    order: tuple[OrderStep, ...],
    pick: Any,
    draw: int,
    data: st.DataObject,
) -> None:
    ill = data.draw(st.lists(st.sampled_from([each.id for each in fleet])))
    made = decided(table(*fleet, policy=Policy(filter=keep, order=order, pick=pick)), resting(*ill), draw=draw)
    kept = {each.id for each in fleet if all(each.tags & rule.tags for rule in keep)}
    assert set(names(made)) <= kept
    assert len(names(made)) == len(set(names(made)))
    assert set(names(made)) == (kept - set(ill) or kept)
    assert {each.id for each in fleet} == set(names(made)) | {each.candidate.id for each in made.left_out}


def test_the_preferred_tag_goes_first_and_the_others_remain() -> None:
    fleet = table(CN, EU, GOLD, policy=Policy(order=(OrderStep("tags", ("premium", "eu")),)))
    assert names(decided(fleet)) == ["gold", "eu", "cn"]


def test_a_preference_may_depend_on_a_header() -> None:
    fleet = table(CN, GOLD, policy=Policy(order=(OrderStep("tags", ("premium",), ENTERPRISE),)))
    assert names(decided(fleet, headers={b"x-customer-tier": b"enterprise"})) == ["gold", "cn"]
    assert names(decided(fleet)) == ["cn", "gold"]


def test_the_cheapest_depends_on_the_size_of_the_call() -> None:
    reader, writer = fake("reader", price=Price(1, 20)), fake("writer", price=Price(5, 5))
    fleet = table(writer, reader, policy=Policy(order=(OrderStep("cost"),), expected_output_tokens=500))
    assert names(decided(fleet, prompt_tokens=100)) == ["writer", "reader"]
    assert names(decided(fleet, prompt_tokens=100_000)) == ["reader", "writer"]


def test_those_that_cost_the_same_are_drawn_among() -> None:
    fleet = table(
        fake("dear", price=Price(9, 9)),
        fake("one", price=Price(1, 1)),
        fake("two", price=Price(1, 1)),
        policy=Policy(order=(OrderStep("cost"),), pick="weighted"),
    )
    seen = {tuple(names(decided(fleet, draw=draw << 20))) for draw in range(50)}
    assert seen == {("one", "two", "dear"), ("two", "one", "dear")}


def measured(**seconds: float) -> Conditions:
    conditions = Conditions()
    for name, each in seconds.items():
        for _ in range(10):
            conditions[name].whole.took(each, 0.0)
    return conditions


FASTEST = Policy(order=(OrderStep("latency"),), latency=LatencyRule(explore_percent=5))


def test_the_fastest_goes_first_and_those_about_as_fast_are_equal() -> None:
    fleet = table(fake("slow"), fake("near"), fake("best"), policy=FASTEST)
    assert names(decided(fleet, measured(slow=2.0, near=1.1, best=1.0))) == ["near", "best", "slow"]


def test_speed_is_measured_apart_for_streams() -> None:
    conditions = measured(a=1.0, b=2.0)
    for _ in range(10):
        conditions["a"].streamed.took(0.5, 0.0)
        conditions["b"].streamed.took(0.1, 0.0)
    fleet = table(fake("a"), fake("b"), policy=FASTEST)
    assert names(decided(fleet, conditions)) == ["a", "b"]
    assert names(decided(fleet, conditions, stream=True)) == ["b", "a"]


def test_one_that_nobody_has_tried_is_not_held_to_be_slow() -> None:
    fleet = table(fake("new"), fake("known"), policy=FASTEST)
    assert names(decided(fleet, measured(known=0.1)))[0] == "new"


def test_a_share_of_the_calls_explores() -> None:
    fleet = table(fake("slow"), fake("best"), policy=FASTEST)
    conditions = measured(slow=9.0, best=0.1)
    first = [
        names(decided(fleet, conditions, draw=(draw * 2654435761 << 16) + draw))[0] for draw in range(0, 65536, 16)
    ]
    assert 0.015 < first.count("slow") / len(first) < 0.035, "half of the five percent that explore"


def test_resting_ones_are_passed_over_and_tried_when_nobody_else_is_left() -> None:
    fleet = table(EU, CN)
    assert names(decided(fleet, resting("eu"))) == ["cn"]
    assert names(decided(fleet, resting("eu", "cn"))) == ["eu", "cn"]
    made = decided(table(EU, CN, policy=Policy(all_resting="refuse")), resting("eu", "cn"))
    assert names(made) == []
    assert all(each.resting for each in made.left_out)


def test_a_session_is_known_by_the_first_mark_that_the_call_bears() -> None:
    sticky = (StickyBy("header", b"x-session-id"), StickyBy("user"), StickyBy("prompt", b"", 8))
    fleet = table(*(fake(name) for name in "abcdef"), policy=Policy(pick="sticky", sticky=sticky))
    by_header: dict[str, Any] = {"headers": {b"x-session-id": b"s1"}}
    assert decided(fleet, **by_header).pick == "sticky by header x-session-id"
    assert names(decided(fleet, **by_header, user=b'"u"')) == names(decided(fleet, **by_header, user=b'"v"'))
    assert decided(fleet, user=b'"u"', prompt=b"[...").pick == "sticky by user"
    same = [names(decided(fleet, prompt=b'[{"role"' + rest)) for rest in (b":1", b":2")]
    assert same[0] == same[1]
    assert decided(fleet).pick == "drawn by weight"


def test_a_circuit_that_opened_is_left_alone_until_its_cooldown_is_over() -> None:
    conditions = Conditions()
    conditions["eu"].follow(CircuitRule(failures=2, cooldown_seconds=5), LatencyRule())
    for _ in range(2):
        conditions["eu"].failed(0.0, trying=False)
    fleet = table(EU, CN)
    assert names(decided(fleet, conditions, now=4.9)) == ["cn"]
    assert names(decided(fleet, conditions, now=5.0)) == ["eu", "cn"]
    assert conditions["eu"].begin(5.0)
    assert names(decided(fleet, conditions, now=5.0)) == ["cn"], "one call tries it, and not all"
