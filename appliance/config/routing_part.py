"""The shape of a policy, and of what a model entry says for routing, as an officer writes them.

What comes out are the plain values of appliance/config/policy.py.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from appliance.config.part import Part, Seconds, Tag
from appliance.config.policy import (
    AS_WRITTEN,
    CALLERS,
    NOT_TAKEN_ON,
    OTHERS_TURN,
    Cause,
    Chain,
    CircuitRule,
    Keep,
    LatencyRule,
    Limits,
    Order,
    OrderStep,
    Pick,
    Policy,
    Price,
    Probe,
    Retry,
    StickyBy,
    Timeouts,
    When,
)

LIMITS, TIMEOUTS, PROBE = Limits(), Timeouts(), Probe()
"""The defaults."""

Header = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]
Percent = Annotated[float, Field(ge=0, le=100)]
Words = Annotated[list[Annotated[str, Field(min_length=1, max_length=256)]], Field(min_length=1, max_length=64)]
Tags = Annotated[list[Tag], Field(min_length=1, max_length=32)]
Weight = Annotated[float, Field(ge=0, le=1_000_000)]


class PricePart(Part):
    input: float = Field(ge=0, le=1e9)
    output: float = Field(ge=0, le=1e9)

    def value(self) -> Price:
        return Price(self.input, self.output)


class LimitsPart(Part):
    concurrent: int = Field(ge=1, le=4096)
    queue: int = Field(default=0, ge=0, le=10_000)
    queue_seconds: Seconds = LIMITS.queue_seconds

    def value(self) -> Limits:
        return Limits(self.concurrent, self.queue, self.queue_seconds)


class TimeoutsPart(Part):
    connect_seconds: Annotated[float, Field(ge=0.1, le=60)] = TIMEOUTS.connect_seconds
    first_byte_seconds: Seconds = TIMEOUTS.first_byte_seconds
    idle_seconds: Seconds = TIMEOUTS.idle_seconds
    total_seconds: Seconds | None = None

    def value(self) -> Timeouts:
        return Timeouts(self.connect_seconds, self.first_byte_seconds, self.idle_seconds, self.total_seconds)


class ProbePart(Part):
    path: str = Field(default=PROBE.path, pattern=r"^/[A-Za-z0-9._~/-]{0,255}$")
    every_seconds: Annotated[float, Field(ge=1, le=86_400)] = PROBE.every_seconds
    timeout_seconds: Annotated[float, Field(ge=0.1, le=60)] = PROBE.timeout_seconds

    def value(self) -> Probe:
        return Probe(self.path, self.every_seconds, self.timeout_seconds)


class WhenPart(Part):
    header: Header | None = None
    is_: Words | None = Field(default=None, alias="is")
    team: Words | None = None
    org: Words | None = None
    key: Words | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if sum(each is not None for each in (self.header, self.team, self.org, self.key)) != 1:
            raise ValueError("A condition names one of header, team, org and key")
        if (self.header is None) != (self.is_ is None):
            raise ValueError("A condition on a header says what it must be: {header: x-tier, is: [gold]}")
        return self

    def value(self) -> When:
        if self.header is not None:
            return When("header", self.header.lower().encode(), frozenset(self.is_ or ()))
        if self.team is not None:
            return When("team", b"", frozenset(self.team))
        if self.org is not None:
            return When("org", b"", frozenset(self.org))
        return When("key", b"", frozenset(self.key or ()))


class KeepPart(Part):
    keep: Tags | None = None
    keep_from_header: Header | None = None
    when: WhenPart | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.keep is None) == (self.keep_from_header is None):
            raise ValueError("A filter rule has either keep or keep_from_header")
        return self

    def value(self) -> Keep:
        header = (self.keep_from_header or "").lower().encode()
        return Keep(frozenset(self.keep or ()), header, self.when.value() if self.when else None)


class OrderPart(Part):
    by: Literal["cost", "latency", "written"] | None = None
    tags: Tags | None = None
    when: WhenPart | None = None

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        if (self.by is None) == (self.tags is None):
            raise ValueError("An order is cost, latency, written or {tags: […]}")
        return self

    def value(self) -> OrderStep:
        by: Order = self.by or "tags"
        return OrderStep(by, tuple(self.tags or ()), self.when.value() if self.when else None)


class StickyPart(Part):
    user: Literal[True] | None = None
    header: Header | None = None
    prompt_bytes: Annotated[int, Field(ge=1, le=65_536)] | None = None

    @model_validator(mode="after")
    def _one_mark(self) -> Self:
        if sum(each is not None for each in (self.user, self.header, self.prompt_bytes)) != 1:
            raise ValueError("A session is known by user, {header: NAME} or {prompt_bytes: N}")
        return self

    def value(self) -> StickyBy:
        if self.header is not None:
            return StickyBy("header", self.header.lower().encode())
        if self.prompt_bytes is not None:
            return StickyBy("prompt", b"", self.prompt_bytes)
        return StickyBy("user")


class LatencyPart(Part):
    window_seconds: Annotated[float, Field(ge=1, le=3600)] = AS_WRITTEN.latency.window_seconds
    within_percent: Percent = AS_WRITTEN.latency.within_percent
    explore_percent: Percent = AS_WRITTEN.latency.explore_percent

    def value(self) -> LatencyRule:
        return LatencyRule(self.window_seconds, self.within_percent, self.explore_percent)


class ChainPart(Part):
    to: str = Field(min_length=1, max_length=128)
    on: Annotated[list[Cause], Field(min_length=1)] | None = None


class FallBackPart(Part):
    on: list[Cause] | None = None
    aliases: list[ChainPart] = Field(default_factory=list, max_length=8)


class RetryPart(Part):
    rounds: Annotated[int, Field(ge=0, le=5)] = 1
    on: Annotated[list[Cause], Field(min_length=1)] | None = None
    pause_seconds: Annotated[float, Field(ge=0.01, le=60)] = AS_WRITTEN.retry.pause_seconds
    longest_pause_seconds: Annotated[float, Field(ge=0.01, le=600)] = AS_WRITTEN.retry.longest_pause_seconds
    budget_percent: Percent = AS_WRITTEN.retry.budget_percent

    def value(self) -> Retry:
        on = NOT_TAKEN_ON if self.on is None else frozenset(self.on)
        return Retry(self.rounds, on, self.pause_seconds, self.longest_pause_seconds, self.budget_percent)


class CircuitPart(Part):
    failures: Annotated[int, Field(ge=1, le=1000)] = AS_WRITTEN.circuit.failures
    cooldown_seconds: Annotated[float, Field(ge=0.1, le=3600)] = AS_WRITTEN.circuit.cooldown_seconds
    longest_cooldown_seconds: Annotated[float, Field(ge=0.1, le=86_400)] = AS_WRITTEN.circuit.longest_cooldown_seconds

    def value(self) -> CircuitRule:
        return CircuitRule(
            self.failures, self.cooldown_seconds, max(self.cooldown_seconds, self.longest_cooldown_seconds)
        )


def _as_order(given: object) -> object:
    return {"by": given} if isinstance(given, str) else given


def _as_sticky(given: object) -> object:
    return {"user": True} if given == "user" else given


class PolicyPart(Part):
    filter: list[KeepPart] = Field(default_factory=list, max_length=32)
    order: list[Annotated[OrderPart, BeforeValidator(_as_order)]] = Field(default_factory=list, max_length=8)
    pick: Pick = "first"
    sticky: list[Annotated[StickyPart, BeforeValidator(_as_sticky)]] = Field(default_factory=list, max_length=8)
    expected_output_tokens: Annotated[int, Field(ge=0, le=1_000_000)] = AS_WRITTEN.expected_output_tokens
    latency: LatencyPart = LatencyPart()
    fall_back: FallBackPart = FallBackPart()
    retry: RetryPart = RetryPart(rounds=0)
    circuit: CircuitPart = CircuitPart()
    all_resting: Literal["try", "refuse"] = "try"
    when_full: Literal["next", "wait"] = "next"
    answer_within_seconds: Seconds = AS_WRITTEN.answer_within_seconds
    tell: list[Literal["header", "log"]] = Field(default_factory=list, max_length=2)

    @model_validator(mode="after")
    def _sticky_says_by_what(self) -> Self:
        if (self.pick == "sticky") != bool(self.sticky):
            raise ValueError("pick: sticky and a list sticky: [user, {header: …}, {prompt_bytes: …}] go together")
        return self

    def value(self, name: str) -> Policy:
        on = OTHERS_TURN if self.fall_back.on is None else frozenset(self.fall_back.on)
        chains = tuple(
            Chain(each.to, on | CALLERS if each.on is None else frozenset(each.on)) for each in self.fall_back.aliases
        )
        return Policy(
            name=name,
            filter=tuple(each.value() for each in self.filter),
            order=tuple(each.value() for each in self.order),
            pick=self.pick,
            sticky=tuple(each.value() for each in self.sticky),
            expected_output_tokens=self.expected_output_tokens,
            latency=self.latency.value(),
            on=on,
            chains=chains,
            retry=self.retry.value(),
            circuit=self.circuit.value(),
            all_resting=self.all_resting,
            when_full=self.when_full,
            answer_within_seconds=self.answer_within_seconds,
            tell_header="header" in self.tell,
            tell_log="log" in self.tell,
        )
