"""From deployment to deployment: what is foretold is what happens, within the bounds that the policy sets."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.config.policy import CAUSES, NOT_TAKEN_ON, OTHERS_TURN, Cause, Chain, Keep, OrderStep, Policy, Retry
from appliance.gateway.health import Conditions
from appliance.gateway.routing.budget import Budget
from appliance.gateway.routing.candidate import Table
from appliance.gateway.routing.course import Course, Pause, Try
from appliance.gateway.routing.explain import Foreseen, foresee, lines, told
from tests.appliance.gateway.routing.deployments import CHAT, Fake, facts, fake, table

EVERY = frozenset(CAUSES)
A, B, C = fake("chat#a"), fake("chat#b"), fake("chat#c")


@dataclass
class Walk:
    """A call whose deployments all fail, each in its way."""

    tables: dict[str, Table[Fake]]
    conditions: Conditions = field(default_factory=Conditions)
    budget: Budget = field(default_factory=Budget)
    licensed: frozenset[str] = frozenset({"chat", "small", "other"})
    draw: int = 1 << 40
    pauses: list[float] = field(default_factory=list)
    waited: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.known = facts(draw=self.draw)
        self.course = Course(
            self.tables,
            "chat",
            lambda: self.known,
            self.conditions,
            self.budget,
            0.0,
            CHAT,
            allowed=self.licensed.__contains__,
        )

    def foreseen(self) -> Foreseen[Fake]:
        return foresee(
            self.tables, "chat", lambda: self.known, self.conditions, 0.0, CHAT, allowed=self.licensed.__contains__
        )

    def failing(self, *causes: Cause, retry_after: float | None = None, chance: float = 1.0) -> list[str]:
        """The deployments in the order tried; the last of the causes goes on for ever."""
        given_causes = list(causes)
        for _ in range(200):
            step = self.course.next(0.0, chance)
            if step is None:
                return [each.id for each, _ in self.course.tried]
            if isinstance(step, Pause):
                self.pauses.append(step.seconds)
                continue
            if step.wait:
                self.waited.append(step.candidate.id)
            cause = given_causes.pop(0) if len(given_causes) > 1 else given_causes[0]
            self.course.failed(step, cause, retry_after if cause == "busy" else None)
        raise AssertionError("the course does not end")


def one(policy: Policy, *candidates: Fake) -> dict[str, Table[Fake]]:
    return {"chat": table(*(candidates or (A, B, C)), policy=policy)}


def test_each_is_tried_once_by_default() -> None:
    walk = Walk(one(Policy()))
    assert walk.failing("server_error") == ["chat#a", "chat#b", "chat#c"]
    assert told(walk.course.tried) == "chat#a server_error > chat#b server_error > chat#c server_error"


@pytest.mark.parametrize("cause", sorted(EVERY - OTHERS_TURN))
def test_what_lies_in_the_request_is_nobody_elses_turn(cause: Cause) -> None:
    assert Walk(one(Policy())).failing(cause) == ["chat#a"]


def test_a_request_that_may_have_had_an_effect_is_repeated_only_where_the_policy_says_so() -> None:
    careful = Policy(on=NOT_TAKEN_ON, retry=Retry(rounds=3))
    for cause in sorted(EVERY - NOT_TAKEN_ON):
        assert Walk(one(careful)).failing(cause) == ["chat#a"]
    assert Walk(one(careful)).failing("unreachable", "busy", "timeout") == ["chat#a", "chat#b", "chat#c"]


def test_rounds_come_after_everybody_had_a_turn_with_pauses_that_double() -> None:
    walk = Walk(one(Policy(retry=Retry(rounds=2, pause_seconds=0.5)), A, B))
    assert walk.failing("busy") == ["chat#a", "chat#b"] * 3
    assert walk.pauses == [0.5, 1.0]


def test_only_those_are_tried_again_whose_cause_is_worth_it() -> None:
    walk = Walk(one(Policy(retry=Retry(rounds=1))))
    assert walk.failing("server_error", "busy", "timeout", "busy") == ["chat#a", "chat#b", "chat#c", "chat#b"]


def test_a_pause_is_never_shorter_than_retry_after_and_never_longer_than_allowed() -> None:
    walk = Walk(one(Policy(retry=Retry(rounds=1, longest_pause_seconds=8)), A))
    walk.failing("busy", retry_after=7.0, chance=0.5)
    assert walk.pauses == [7.125]
    late = Walk(one(Policy(retry=Retry(rounds=1, longest_pause_seconds=8)), A))
    assert late.failing("busy", retry_after=9.0) == ["chat#a"]
    assert late.pauses == []


def test_retries_stay_within_their_share_of_the_calls() -> None:
    budget = Budget()
    retried = 0
    for _ in range(200):
        budget.called(20)
        retried += len(Walk(one(Policy(retry=Retry(rounds=1)), A), budget=budget).failing("busy")) - 1
    assert 200 * 0.2 <= retried <= 200 * 0.2 + 10


def test_full_ones_are_waited_for_only_when_nobody_is_free() -> None:
    walk = Walk(one(Policy()))
    assert walk.failing("full", "full", "server_error", "full") == ["chat#a", "chat#b", "chat#c", "chat#a"]
    assert walk.waited == ["chat#a"]
    keen = Walk(one(Policy(when_full="wait")))
    assert keen.failing("full") == ["chat#a", "chat#b", "chat#c"]
    assert keen.waited == ["chat#a", "chat#b", "chat#c"]


SMALL = fake("small#a")


def chained(*on: Cause, **more: bool) -> dict[str, Table[Fake]]:
    policy = Policy(chains=(Chain("small", frozenset(on)),))
    return {"chat": table(A, B, policy=policy), "small": table(SMALL, alias="small")}


def test_another_alias_is_reached_for_the_causes_named() -> None:
    assert Walk(chained("context_too_long")).failing("context_too_long") == ["chat#a", "small#a"]
    assert Walk(chained("context_too_long")).failing("busy") == ["chat#a", "chat#b"]
    assert Walk(chained("busy")).failing("busy") == ["chat#a", "chat#b", "small#a"]


def test_the_other_aliases_own_fallbacks_are_not_followed() -> None:
    tables = chained("busy") | {
        "small": table(SMALL, alias="small", policy=Policy(chains=(Chain("other", EVERY),))),
        "other": table(fake("other#a"), alias="other"),
    }
    assert Walk(tables).failing("busy") == ["chat#a", "chat#b", "small#a"]


def test_an_alias_outside_the_allow_list_is_never_reached() -> None:
    walk = Walk(chained("busy"), licensed=frozenset({"chat"}))
    assert walk.failing("busy") == ["chat#a", "chat#b"]
    assert "small" not in "\n".join(lines(walk.foreseen(), walk.conditions, 0.0))


def test_the_asked_aliases_filter_holds_for_the_other_one_too() -> None:
    policy = Policy(filter=(Keep(frozenset({"eu"})),), chains=(Chain("small", EVERY),))
    tables = {
        "chat": table(fake("chat#eu", "eu"), fake("chat#us"), policy=policy),
        "small": table(fake("small#us"), fake("small#eu", "eu"), alias="small"),
    }
    assert Walk(tables).failing("busy") == ["chat#eu", "small#eu"]


def test_when_all_rest_and_may_not_be_tried_the_fallback_is_next() -> None:
    policy = Policy(all_resting="refuse", chains=(Chain("small", frozenset({"server_error"})),))
    walk = Walk({"chat": table(A, policy=policy), "small": table(SMALL, alias="small")}, _resting("chat#a"))
    assert walk.failing("busy") == ["small#a"]


def _resting(*ids: str) -> Conditions:
    conditions = Conditions()
    for name in ids:
        conditions[name].rest(60.0, 0.0)
    return conditions


TAGS = ("a", "b")
causes = st.sampled_from(CAUSES)
some_causes = st.frozensets(causes)
keeps = st.lists(st.frozensets(st.sampled_from(TAGS), min_size=1).map(Keep), max_size=1).map(tuple)
steps = st.lists(st.sampled_from([OrderStep("latency"), OrderStep("tags", ("b", "a"))]), max_size=2).map(tuple)


@st.composite
def sites(draw: st.DrawFn) -> dict[str, Table[Fake]]:
    tables = {}
    for alias in ("chat", "small", "other", "secret"):
        policy = Policy(
            filter=draw(keeps),
            order=draw(steps),
            pick=draw(st.sampled_from(["first", "weighted"])),
            on=draw(some_causes),
            chains=tuple(
                Chain(each, draw(some_causes))
                for each in draw(st.lists(st.sampled_from(["small", "other", "secret"]), max_size=2, unique=True))
            ),
            retry=Retry(rounds=draw(st.integers(0, 2)), on=draw(some_causes)),
            when_full=draw(st.sampled_from(["next", "wait"])),
            all_resting=draw(st.sampled_from(["try", "refuse"])),
        )
        count = draw(st.integers(1, 3))
        fleet = [Fake(f"{alias}#{n}", draw(st.frozensets(st.sampled_from(TAGS)))) for n in range(count)]
        tables[alias] = table(*fleet, policy=policy, alias=alias)
    return tables


@given(sites(), st.lists(causes, min_size=1, max_size=40), st.integers(0, 2**64 - 1), st.data())
def test_the_explanation_names_exactly_what_then_happens(
    tables: dict[str, Table[Fake]], went: list[Cause], draw: int, data: st.DataObject
) -> None:
    every = [each.id for each_table in tables.values() for each in each_table.candidates]
    ill = data.draw(st.lists(st.sampled_from(every), unique=True))
    walk = Walk(tables, _resting(*ill), draw=draw)
    foretold = [each.id for each in walk.foreseen().order()]
    tried = walk.failing(*went)
    first_times = list(dict.fromkeys(tried))
    # In the order foretold, and nobody who was not.
    assert first_times == [each for each in foretold if each in first_times]
    asked = [each for each in foretold if each.startswith("chat#")]
    assert tried[:1] == asked[:1] or not asked
    # An alias outside the licence is never reached, and a deployment without the tags asked for neither.
    assert not any(each.startswith("secret#") for each in tried)
    for each_table in tables.values():
        for each in each_table.candidates:
            if each.id in tried:
                assert all(each.tags & rule.tags for rule in tables["chat"].policy.filter)
    # Once a round, and once more where there was no place at first: it was not called then.
    rounds = 1 + tables["chat"].policy.retry.rounds
    called = [each.id for each, cause in walk.course.tried if cause != "full"]
    assert max(map(called.count, called), default=0) <= rounds
    assert max(map(tried.count, tried), default=0) <= 2 * rounds


@given(sites(), st.integers(0, 2**64 - 1))
def test_where_every_cause_leads_on_all_that_is_foretold_happens(tables: dict[str, Table[Fake]], draw: int) -> None:
    from dataclasses import replace

    open_tables = {
        alias: replace(
            each,
            policy=replace(
                each.policy,
                on=EVERY,
                chains=tuple(Chain(chain.alias, EVERY) for chain in each.policy.chains),
                retry=Retry(),
            ),
        )
        for alias, each in tables.items()
    }
    walk = Walk(open_tables, draw=draw)
    foretold = [each.id for each in walk.foreseen().order()]
    if foretold and foretold[0].startswith("chat#"):
        assert walk.failing("server_error") == foretold


def test_the_first_answer_ends_it() -> None:
    walk = Walk(one(Policy()))
    step = walk.course.next(0.0, 0.5)
    assert isinstance(step, Try)
    walk.course.answered(step)
    assert told(walk.course.tried) == "chat#a answered"


def test_a_long_way_is_told_in_short() -> None:
    walk = Walk(one(Policy(), *(fake(f"chat#{n}") for n in range(12))))
    walk.failing("timeout")
    assert told(walk.course.tried).endswith("> and 4 more > chat#11 timeout")
    assert told([]) == "nobody was tried"


def test_an_explanation_for_a_person() -> None:
    policy = Policy(
        name="of your own", filter=(Keep(frozenset({"eu"})),), chains=(Chain("small", frozenset({"busy"})),)
    )
    tables = {
        "chat": table(fake("chat#1", "eu", weight=3.0), fake("chat#2"), fake("chat#3", "eu"), policy=policy),
        "small": table(fake("small#1"), alias="small"),
    }
    walk = Walk(tables, _resting("chat#3"))
    assert lines(walk.foreseen(), walk.conditions, 0.0) == [
        "chat (policy of your own; first as written)",
        "  1. chat#1 [eu] weight 3",
        "  -  chat#2: filter: keep [eu]",
        "  -  chat#3: asked to be left alone",
        "small (policy as written; first as written), after: busy",
        "  -  small#1: filter: keep [eu]",
        "     nobody is left to be tried",
        "the next one is tried after: unreachable, busy, server_error, timeout, misconfigured, full",
    ]
