"""A call's way from deployment to deployment, until one answers or none is left. Pure: it is told how each step ended.

In this order: the deployments of the alias as decided; then waiting for a place, where all that was wrong is that they
were full; then the rounds of the retry, as far as the budget lets; then the other aliases that the policy names for
what went wrong. A cause that the policy does not name ends the turn of the alias there and then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic

from appliance.config.policy import Cause
from appliance.gateway.routing.budget import Budget
from appliance.gateway.routing.candidate import C, Table, Tables
from appliance.gateway.routing.condition import Condition
from appliance.gateway.routing.decide import Decision, decide
from appliance.gateway.routing.facts import Facts


@dataclass(frozen=True, slots=True)
class Try(Generic[C]):
    """Call this one. `wait`: stand in its queue, should it be full."""

    candidate: C
    wait: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so long before the next round."""

    seconds: float


class Course(Generic[C]):
    """`next` says what to do; `failed` tells it what came of a try. `tried` is what happened so far."""

    __slots__ = (
        "_allowed",
        "_budget",
        "_causes",
        "_chains",
        "_conditions",
        "_endpoint",
        "_facts",
        "_full",
        "_left",
        "_retry_after",
        "_rounds",
        "_table",
        "_tables",
        "_waits",
        "_worth",
        "decision",
        "tried",
    )

    def __init__(
        self,
        tables: Tables[C],
        alias: str,
        facts: Callable[[], Facts],
        conditions: Mapping[str, Condition],
        budget: Budget,
        now: float,
        endpoint: str,
        *,
        allowed: Callable[[str], bool],
    ) -> None:
        table = tables[alias]
        self._tables, self._table, self._facts, self._endpoint = tables, table, facts, endpoint
        self._conditions, self._budget, self._allowed = conditions, budget, allowed
        self._chains = iter(table.policy.chains)
        self._causes: set[Cause] = set()
        self._waits = table.policy.when_full == "wait"
        self._rounds = 0
        self.tried: list[tuple[C, Cause | None]] = []
        self.decision: Decision[C] = decide(table, facts, conditions, now, endpoint)
        self._take_up(self.decision)

    def _take_up(self, decision: Decision[C]) -> None:
        self._left = list(decision.order[::-1])
        self._full: list[C] = []
        self._worth: list[C] = []
        self._retry_after: float | None = None
        if not decision.order and any(each.resting for each in decision.left_out):
            # A deployment that rests is as good as one that failed: the fallback is written for just this.
            self._causes.add("server_error")

    def next(self, now: float, chance: float) -> Try[C] | Pause | None:
        """`chance` in [0, 1) draws the length of a pause."""
        if self._left:
            return Try(self._left.pop(), wait=self._waits)
        if self._full:
            first, self._full = self._full[0], []
            self._worth = [each for each in self._worth if each is not first]
            return Try(first, wait=True)
        pause = self._next_round(chance)
        if pause is not None:
            return pause
        while (chain := next(self._chains, None)) is not None:
            if self._causes & chain.on and chain.alias in self._tables and self._allowed(chain.alias):
                reached = self._tables[chain.alias]
                self._take_up(reached_by(self._table, reached, self._facts, self._conditions, now, self._endpoint))
                self._rounds = self._table.policy.retry.rounds
                if self._left:
                    return self.next(now, chance)
        return None

    def failed(self, step: Try[C], cause: Cause, retry_after: float | None = None) -> None:
        """The deployment gave no answer."""
        self.tried.append((step.candidate, cause))
        self._causes.add(cause)
        policy = self._table.policy
        if cause == "full" and not step.wait:
            self._full.append(step.candidate)
        elif cause in policy.retry.on:
            self._worth.append(step.candidate)
            if retry_after is not None:
                self._retry_after = min(retry_after, self._retry_after or retry_after)
        if cause not in policy.on:
            self._left, self._full = [], []
            if cause not in policy.retry.on:
                self._worth = []

    def answered(self, step: Try[C]) -> None:
        self.tried.append((step.candidate, None))

    def _next_round(self, chance: float) -> Pause | None:
        """Another pass over those whose causes are worth one, or None. No pause is longer than the policy's longest."""
        retry = self._table.policy.retry
        if not self._worth or self._rounds >= retry.rounds:
            return None
        pause = min(retry.pause_seconds * 2**self._rounds, retry.longest_pause_seconds) * chance
        if self._retry_after is not None:
            # Never earlier than it asked, and not all at the same moment either.
            pause += self._retry_after
        if pause > retry.longest_pause_seconds or not self._budget.take():
            return None
        self._rounds += 1
        self._left, self._worth, self._retry_after = self._worth[::-1], [], None
        return Pause(pause)


def reached_by(
    asked: Table[C],
    table: Table[C],
    facts: Callable[[], Facts],
    conditions: Mapping[str, Condition],
    now: float,
    endpoint: str,
) -> Decision[C]:
    """The deployments of another alias for a call that asked for `asked`: both aliases' filters hold."""
    return decide(table, facts, conditions, now, endpoint, also=asked.policy.filter)
