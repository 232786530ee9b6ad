"""What a new config would change, as data: facts in, plan out. Touches nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from appliance.config.model import Config, Deployment
from appliance.config.words import deployment_in_words, policy_in_words


@dataclass(frozen=True, slots=True)
class Change:
    """One alias that is added, removed or routed differently. Routes are shown without secrets."""

    alias: str
    what: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    serial_before: int | None
    serial_after: int
    changes: tuple[Change, ...]

    def lines(self) -> list[str]:
        """The plan for a person, a line a fact, in the manner of a diff."""
        start = "nothing" if self.serial_before is None else f"config {self.serial_before}"
        shown = [f"from {start} to config {self.serial_after}"]
        for change in self.changes:
            shown.append(f"{change.what} {change.alias}")
            shown += [f"  - {number}. {route}" for number, route in enumerate(change.before, 1)]
            shown += [f"  + {number}. {route}" for number, route in enumerate(change.after, 1)]
            if change.before == change.after:
                shown.append("  another key in the config")
        return shown if self.changes else [*shown, "no model changes"]


def plan(before: Config | None, after: Config) -> Plan:
    """The difference between the config in force and a new one."""
    old = _routes(before) if before else {}
    new = _routes(after)
    old_keys, new_keys = (_keys(each.deployments if each else ()) for each in (before, after))
    changes = [
        Change(alias, "added" if alias not in old else "changed", old.get(alias, ()), routes)
        for alias, routes in new.items()
        if old.get(alias) != routes or old_keys.get(alias) != new_keys[alias]
    ]
    changes += [Change(alias, "removed", routes, ()) for alias, routes in old.items() if alias not in new]
    return Plan(before.serial if before else None, after.serial, tuple(changes))


def describe(deployment: Deployment) -> str:
    """A deployment in one line; of a provider key only whether there is one and what it is called."""
    place = f" at {deployment.api_base}" if deployment.api_base else ""
    if deployment.api_key is None:
        key = ""
    else:
        key = f" with key {deployment.api_key}" if deployment.api_key.startswith("${") else " with a key in the config"
    tags = f" [{', '.join(deployment.tags)}]" if deployment.tags else ""
    of = deployment
    more = deployment_in_words(of.weight, of.price, of.limits, of.timeouts, of.probe)
    return f"{deployment.provider} {deployment.model}{place}{key}{tags}{more}"


def _keys(deployments: Iterable[Deployment]) -> dict[str, tuple[str | None, ...]]:
    """Compared and never shown."""
    keys: dict[str, tuple[str | None, ...]] = {}
    for each in deployments:
        keys[each.alias] = (*keys.get(each.alias, ()), each.api_key)
    return keys


def _routes(config: Config) -> dict[str, tuple[str, ...]]:
    """The deployments of each alias, and after them how they are routed, where the config says that."""
    routes: dict[str, tuple[str, ...]] = {}
    for each in config.deployments:
        routes[each.alias] = (*routes.get(each.alias, ()), describe(each))
    for alias, policy in config.routing.items():
        routes[alias] = (*routes[alias], policy_in_words(policy))
    return routes
