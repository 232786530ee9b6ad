"""Which deployments are tried for a call, in which order, and why the others are not. Pure.

One pipeline: who can (the endpoint), who may (the filter's rules), who is well, then the order's steps, each of which
parts the tiers that the one before it left, and within each tier the pick. A filter is never loosened: where nobody
remains, nobody is tried.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic

from appliance.config.policy import Keep, OrderStep, Policy
from appliance.gateway.routing.candidate import C, Table
from appliance.gateway.routing.condition import Condition
from appliance.gateway.routing.facts import Facts, holds, session_of, tags_asked
from appliance.gateway.routing.lot import lot

_DRAWS = 1 << 16


@dataclass(frozen=True, slots=True)
class LeftOut(Generic[C]):
    """A deployment that is not tried. `resting`: that is the only reason, and it passes."""

    candidate: C
    why: str
    resting: bool = False


@dataclass(frozen=True, slots=True)
class Decision(Generic[C]):
    """`order` is what is tried, the first first. `pick` says in words what parted those that were equal."""

    order: tuple[C, ...]
    left_out: tuple[LeftOut[C], ...] = ()
    pick: str = "as written"


def decide(
    table: Table[C],
    facts: Callable[[], Facts],
    conditions: Mapping[str, Condition],
    now: float,
    endpoint: str,
    *,
    also: tuple[Keep, ...] = (),
) -> Decision[C]:
    """`also` are rules that hold besides the table's own: those of the alias that was asked for.

    `facts` is called only where the table has anything to ask of them.
    """
    if table.plain and not also:
        for each in table.candidates:
            if not (conditions[each.id].well and each.serves(endpoint)):
                break
        else:
            return Decision(table.candidates)
        able, left_out = _able(table.candidates, endpoint)
        well, resting = _well(able, conditions, now, table.policy)
        return Decision(tuple(well), (*left_out, *resting))
    known = facts()
    able, left_out = _able(table.candidates, endpoint)
    for rule in (*also, *table.policy.filter):
        able, refused = _kept(able, rule, known)
        left_out += refused
    well, resting = _well(able, conditions, now, table.policy)
    order, words = _ordered(well, table.policy, known, conditions, now)
    return Decision(tuple(order), (*left_out, *resting), words)


def _able(candidates: Sequence[C], endpoint: str) -> tuple[list[C], list[LeftOut[C]]]:
    able = [each for each in candidates if each.serves(endpoint)]
    return able, [LeftOut(each, "has no such endpoint") for each in candidates if not each.serves(endpoint)]


def _kept(candidates: Sequence[C], rule: Keep, facts: Facts) -> tuple[list[C], list[LeftOut[C]]]:
    if not holds(rule.when, facts):
        return list(candidates), []
    tags: frozenset[str] | None = rule.tags
    said = "filter"
    if rule.from_header:
        tags = tags_asked(rule.from_header, facts)
        said = f"filter by header {rule.from_header.decode()}"
    if tags is None:
        return list(candidates), []
    kept = [each for each in candidates if each.tags & tags]
    why = f"{said}: it has none of the tags asked for" if rule.from_header else f"{said}: keep {_listed(tags)}"
    return kept, [LeftOut(each, why) for each in candidates if not each.tags & tags]


def _well(
    candidates: Sequence[C], conditions: Mapping[str, Condition], now: float, policy: Policy
) -> tuple[list[C], list[LeftOut[C]]]:
    """Those that may be called now. Where all rest, a policy tries them all the same, or none."""
    well: list[C] = []
    resting: list[LeftOut[C]] = []
    for each in candidates:
        why = conditions[each.id].resting(now)
        if why:
            resting.append(LeftOut(each, why, resting=True))
        else:
            well.append(each)
    if not well and policy.all_resting == "try":
        return list(candidates), []
    return well, resting


def _ordered(
    candidates: list[C], policy: Policy, facts: Facts, conditions: Mapping[str, Condition], now: float
) -> tuple[list[C], str]:
    tiers = [candidates]
    for step in policy.order:
        if holds(step.when, facts):
            tiers = [part for tier in tiers for part in _parted(tier, step, policy, facts, conditions, now)]
    if policy.pick == "first":
        return [each for tier in tiers for each in tier], "first as written"
    session = session_of(policy.sticky, facts)
    key, words = (facts.draw, "drawn by weight") if session is None else (session[0], f"sticky by {session[1]}")
    return [each for tier in tiers for each in _by_lot(tier, key)], words


def _by_lot(tier: list[C], key: int) -> list[C]:
    return sorted(tier, key=lambda each: -lot(each.mark, key, each.weight)) if len(tier) > 1 else tier


def _parted(
    tier: list[C],
    step: OrderStep,
    policy: Policy,
    facts: Facts,
    conditions: Mapping[str, Condition],
    now: float,
) -> list[list[C]]:
    """A tier as smaller ones, the better first; deployments that the step finds equal stay together as they were."""
    if len(tier) < 2 or step.by == "written":
        return [[each] for each in tier]
    if step.by == "latency" and (facts.draw % _DRAWS) < policy.latency.explore_percent / 100 * _DRAWS:
        return [[each] for each in _by_lot(tier, facts.draw)]
    rank = _ranks(tier, step, policy, facts, conditions, now)
    return [[each for each in tier if rank[each.id] == value] for value in sorted(set(rank.values()))]


def _ranks(
    tier: list[C],
    step: OrderStep,
    policy: Policy,
    facts: Facts,
    conditions: Mapping[str, Condition],
    now: float,
) -> dict[str, float]:
    if step.by == "tags":
        return {each.id: _place(each.tags, step.tags) for each in tier}
    if step.by == "cost":
        tokens, expected = facts.prompt_tokens, policy.expected_output_tokens
        return {each.id: _cost(each, tokens, expected) for each in tier}
    known = {each.id: _speed(conditions[each.id], facts, now) for each in tier}
    best = min((each for each in known.values() if each is not None), default=0.0)
    enough = best * (1 + policy.latency.within_percent / 100)
    return {name: 0.0 if p95 is None or p95 <= enough else p95 for name, p95 in known.items()}


def _place(tags: frozenset[str], wanted: tuple[str, ...]) -> float:
    return next((float(place) for place, tag in enumerate(wanted) if tag in tags), float(len(wanted)))


def _cost(candidate: C, prompt_tokens: int, expected_output_tokens: int) -> float:
    """In millionths of the config's currency; without a price it comes last."""
    price = candidate.price
    if price is None:
        return float("inf")
    return price.input * prompt_tokens + price.output * expected_output_tokens


def _speed(condition: Condition, facts: Facts, now: float) -> float | None:
    return (condition.streamed if facts.stream else condition.whole).p95(now)


def _listed(tags: frozenset[str]) -> str:
    return f"[{', '.join(sorted(tags))}]"
