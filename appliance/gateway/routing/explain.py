"""A route in words: what would be tried and why, before the fact; what was tried, after it. Names no address, no value.

`foresee` and the gateway's own loop decide by the same functions, so what is foretold is what happens, as long as the
deployments stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic

from appliance.config.policy import CAUSES, Cause
from appliance.gateway.routing.candidate import C, Tables
from appliance.gateway.routing.condition import Condition
from appliance.gateway.routing.course import reached_by
from appliance.gateway.routing.decide import Decision, decide
from appliance.gateway.routing.facts import Facts

_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Leg(Generic[C]):
    """An alias on the way. `on` are the causes after which it is reached; empty for the alias that was asked for."""

    alias: str
    policy: str
    on: tuple[Cause, ...]
    decision: Decision[C]


@dataclass(frozen=True, slots=True)
class Foreseen(Generic[C]):
    legs: tuple[Leg[C], ...]
    next_on: tuple[Cause, ...]
    rounds: int

    def order(self) -> tuple[C, ...]:
        """Everybody who would be tried once, if none answered and each cause led on."""
        return tuple(each for leg in self.legs for each in leg.decision.order)


def foresee(
    tables: Tables[C],
    alias: str,
    facts: Callable[[], Facts],
    conditions: Mapping[str, Condition],
    now: float,
    endpoint: str,
    *,
    allowed: Callable[[str], bool],
) -> Foreseen[C]:
    """What would be tried for this call, in which order, and why."""
    table = tables[alias]
    legs = [Leg(alias, table.policy.name, (), decide(table, facts, conditions, now, endpoint))]
    for chain in table.policy.chains:
        if chain.alias in tables and allowed(chain.alias):
            reached = reached_by(table, tables[chain.alias], facts, conditions, now, endpoint)
            legs.append(Leg(chain.alias, tables[chain.alias].policy.name, _in_order(chain.on), reached))
    return Foreseen(tuple(legs), _in_order(table.policy.on), table.policy.retry.rounds)


def told(tried: Iterable[tuple[C, Cause | None]]) -> str:
    """What happened, on one line of ASCII: `chat#1f2e3d4c busy > chat#99aabbcc answered`."""
    words = [f"{candidate.id} {cause or 'answered'}" for candidate, cause in tried]
    if len(words) > _SHOWN:
        words = [*words[: _SHOWN - 1], f"and {len(words) - _SHOWN} more", words[-1]]
    return " > ".join(words) or "nobody was tried"


def lines(foreseen: Foreseen[C], conditions: Mapping[str, Condition], now: float) -> list[str]:
    """The explanation for a person."""
    shown: list[str] = []
    number = 0
    for leg in foreseen.legs:
        after = f", after: {', '.join(leg.on)}" if leg.on else ""
        shown.append(f"{leg.alias} (policy {leg.policy}; {leg.decision.pick}){after}")
        for each in leg.decision.order:
            number += 1
            resting = conditions[each.id].resting(now)
            shown.append(
                f"  {number}. {each.id}{_facts_of(each)}{f'; {resting}, and all others too' if resting else ''}"
            )
        shown += [f"  -  {each.candidate.id}: {each.why}" for each in leg.decision.left_out]
        if not leg.decision.order:
            shown.append("     nobody is left to be tried")
    shown.append(f"the next one is tried after: {', '.join(foreseen.next_on) or 'nothing'}")
    if foreseen.rounds:
        shown.append(f"further rounds: {foreseen.rounds}")
    return shown


def _facts_of(candidate: C) -> str:
    tags = f" [{', '.join(sorted(candidate.tags))}]" if candidate.tags else ""
    weight = f" weight {candidate.weight:g}" if candidate.weight != 1 else ""
    price = f" price {candidate.price.input:g}/{candidate.price.output:g}" if candidate.price else ""
    return tags + weight + price


def _in_order(causes: Iterable[Cause]) -> tuple[Cause, ...]:
    given = set(causes)
    return tuple(each for each in CAUSES if each in given)
