"""The circuit as a state machine: whatever happens in whatever order, it is in one of three states, and says so."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from appliance.config.policy import CircuitRule, LatencyRule
from appliance.gateway.routing.condition import LONGEST_REST_SECONDS, Condition, State

RULE = CircuitRule(failures=3, cooldown_seconds=10.0, longest_cooldown_seconds=35.0)


class CircuitMachine(RuleBasedStateMachine):
    """Beside the circuit, a model of it that is written for being read."""

    def __init__(self) -> None:
        super().__init__()
        self.condition = Condition(RULE, LatencyRule())
        self.now = 0.0
        self.state = "closed"
        self.failures = 0
        self.opens_until = 0.0
        self.cooldown = RULE.cooldown_seconds
        self.trying = False

    @rule(seconds=st.sampled_from([0.0, 1.0, 9.5, 10.0, 20.0, 36.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        if self.state == "open" and self.now >= self.opens_until:
            self.state = "half open"

    @rule()
    @precondition(lambda self: self.state == "closed")
    def a_call_is_answered(self) -> None:
        assert not self.condition.begin(self.now)
        self.condition.answered()
        self.failures = 0

    @rule()
    @precondition(lambda self: self.state == "closed")
    def a_call_fails(self) -> None:
        assert not self.condition.begin(self.now)
        self.condition.failed(self.now, trying=False)
        self.failures += 1
        if self.failures == RULE.failures:
            self._opens()

    @rule()
    @precondition(lambda self: self.state != "closed")
    def a_call_from_before_fails_late(self) -> None:
        self.condition.failed(self.now, trying=False)

    @rule()
    @precondition(lambda self: self.state == "half open")
    def a_call_tries(self) -> None:
        assert self.condition.begin(self.now) is not self.trying, "one at a time"
        self.trying = True

    @rule()
    @precondition(lambda self: self.trying)
    def the_try_is_answered(self) -> None:
        self.condition.answered()
        self.state, self.failures, self.trying, self.cooldown = "closed", 0, False, RULE.cooldown_seconds

    @rule()
    @precondition(lambda self: self.trying)
    def the_try_fails(self) -> None:
        self.condition.failed(self.now, trying=True)
        self.cooldown = min(2 * self.cooldown, RULE.longest_cooldown_seconds)
        self._opens()

    @rule()
    @precondition(lambda self: self.trying)
    def the_try_is_left(self) -> None:
        self.condition.left(trying=True)
        self.trying = False

    def _opens(self) -> None:
        self.state, self.failures, self.trying = "open", 0, False
        self.opens_until = self.now + self.cooldown

    @invariant()
    def it_is_what_the_model_says(self) -> None:
        assert self.condition.state(self.now) == self.state
        free = self.state == "closed" or (self.state == "half open" and not self.trying)
        assert (not self.condition.resting(self.now)) is free
        if self.state == "open":
            assert self.condition.rests_for(self.now) == self.opens_until - self.now

    @invariant()
    def well_is_never_said_of_one_that_rests(self) -> None:
        assert not (self.condition.well and self.condition.resting(self.now))


TestCircuit = CircuitMachine.TestCase
TestCircuit.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def made() -> Condition:
    return Condition(RULE, LatencyRule())


def test_one_that_asks_to_be_left_alone_is() -> None:
    condition = made()
    condition.rest(7.0, 100.0)
    assert condition.resting(106.9) == "asked to be left alone"
    assert condition.resting(107.0) == ""
    assert condition.state(101.0) is State.CLOSED


def test_a_monstrous_retry_after_is_not_believed() -> None:
    condition = made()
    condition.rest(1e9, 0.0)
    assert condition.rests_for(0.0) == LONGEST_REST_SECONDS


def test_what_probes_found_ends_by_itself() -> None:
    condition = made()
    condition.probed(up=False, until=50.0)
    assert condition.resting(49.0) == "down, say the probes"
    assert condition.resting(50.0) == ""
    condition.probed(up=False, until=90.0)
    condition.probed(up=True, until=90.0)
    assert condition.resting(60.0) == ""


def test_a_new_config_changes_the_rules_and_not_what_is_known() -> None:
    condition = made()
    for _ in range(3):
        condition.failed(0.0, trying=False)
    condition.follow(CircuitRule(failures=1, cooldown_seconds=99.0), LatencyRule(window_seconds=1))
    assert condition.resting(9.0) == "circuit open"
    assert condition.resting(10.0) == ""
