"""Deployments, calls and conditions as the routing sees them, without a gateway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from appliance.config.policy import AS_WRITTEN, Limits, Policy, Price
from appliance.gateway.health import Conditions
from appliance.gateway.routing.candidate import Table, mark_of
from appliance.gateway.routing.decide import Decision, decide
from appliance.gateway.routing.facts import Facts

NO_LIMITS = Limits()
CHAT = "chat/completions"


@dataclass(frozen=True)
class Fake:
    """A candidate that serves everything but what is named in `lacks`."""

    id: str
    tags: frozenset[str] = frozenset()
    weight: float = 1.0
    price: Price | None = None
    limits: Limits = NO_LIMITS
    lacks: frozenset[str] = frozenset()
    mark: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "mark", mark_of(self.id.encode()))

    def serves(self, endpoint: str) -> bool:
        return endpoint not in self.lacks


def fake(name: str, *tags: str, **more: Any) -> Fake:
    return Fake(name, frozenset(tags), **more)


def table(*candidates: Fake, policy: Policy = AS_WRITTEN, alias: str = "chat") -> Table[Fake]:
    return Table(alias, policy, candidates)


def facts(**more: Any) -> Facts:
    usual: dict[str, Any] = {
        "endpoint": CHAT,
        "stream": False,
        "headers": {},
        "org": "hospital",
        "team": "ward-3",
        "key": "key-1",
        "user": None,
        "prompt": None,
        "prompt_tokens": 1000,
        "draw": (1 << 64) - 1,  # explores nowhere
    }
    return Facts(**(usual | more))


def decided(
    of: Table[Fake], conditions: Mapping[str, Any] | None = None, *, now: float = 0.0, endpoint: str = CHAT, **call: Any
) -> Decision[Fake]:
    known = facts(endpoint=endpoint, **call)
    return decide(of, lambda: known, Conditions() if conditions is None else conditions, now, endpoint)


def names(decision: Decision[Fake]) -> list[str]:
    return [each.id for each in decision.order]
