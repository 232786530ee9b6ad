"""What a new config would change, as data: facts in, plan out. Touches nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from appliance.config.features import asked_features
from appliance.config.model import Config, Deployment
from appliance.config.sealed import is_clear, is_sealed
from appliance.config.settings_diff import SettingChange, extras_of, settings_changed
from appliance.config.usage_part import UsagePolicy
from appliance.config.usage_part import changes as usage_changes
from appliance.config.words import deployment_in_words, policy_in_words
from licensing.shown import shown
from media.yaml_document import Value

_TOLD = ("alias", "provider", "tags", "weight", "price", "limits", "timeouts", "probe")
"""What `describe` says of an entry."""


@dataclass(frozen=True, slots=True)
class Change:
    """One alias that is added, removed or routed differently. Routes are shown without secrets."""

    alias: str
    what: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """`settings`: what changes beside the models. `features`: licensed features that are asked for anew."""

    serial_before: int | None
    serial_after: int
    changes: tuple[Change, ...]
    settings: tuple[SettingChange, ...] = ()
    features: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    usage: tuple[str, ...] = ()

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
        if not self.changes:
            shown.append("no model changes")
        shown += [change.line() for change in self.settings]
        shown += self.usage
        shown += [f"asks for {feature}" for feature in self.features]
        return [*shown, *(f"warning: {warning}" for warning in self.warnings)]


def plan(before: Config | None, after: Config, texts: tuple[Value, Value] = (None, None)) -> Plan:
    """The difference between the config in force and a new one. `texts` are their values as written."""
    old = _routes(before, texts[0])
    new = _routes(after, texts[1])
    old_keys, new_keys = (_keys(each.deployments if each else ()) for each in (before, after))
    changes = [
        Change(alias, "added" if alias not in old else "changed", old.get(alias, ()), routes)
        for alias, routes in new.items()
        if old.get(alias) != routes or old_keys.get(alias) != new_keys[alias]
    ]
    changes += [Change(alias, "removed", routes, ()) for alias, routes in old.items() if alias not in new]
    asked_before = {asked.title for asked in asked_features(before)} if before else set()
    asked = dict.fromkeys(asked.title for asked in asked_features(after))
    return Plan(
        before.serial if before else None,
        after.serial,
        tuple(changes),
        settings_changed(*texts),
        tuple(title for title in asked if title not in asked_before),
        clear_key_warnings(after),
        tuple(usage_changes(before.usage if before else UsagePolicy(), after.usage)),
    )


def clear_key_warnings(config: Config) -> tuple[str, ...]:
    """A sentence where provider keys stand in the text for everybody who carries or signs it to read."""
    clear = [each.alias for each in config.deployments if is_clear(each.api_key)]
    clear += [f"webhook {each.name}" for each in config.webhooks if is_clear(each.secret)]
    if not clear:
        return ()
    return (f"the provider keys of {', '.join(dict.fromkeys(clear))} stand in clear in this config: ao config seal",)


def describe(deployment: Deployment) -> str:
    """A deployment in one line; of a provider key only whether there is one and what it is called."""
    place = f" at {deployment.api_base}" if deployment.api_base else ""
    if deployment.api_key is None:
        key = ""
    elif is_sealed(deployment.api_key):
        key = " with a sealed key"
    else:
        key = f" with key {deployment.api_key}" if deployment.api_key.startswith("${") else " with a key in the config"
    tags = f" [{', '.join(deployment.tags)}]" if deployment.tags else ""
    of = deployment
    more = deployment_in_words(of.weight, of.price, of.limits, of.timeouts, of.probe)
    return f"{of.provider} {shown(of.model, 256)}{shown(place, 1100)}{key}{tags}{_row(of)}{more}"


def _row(deployment: Deployment) -> str:
    """What its row adds that no address shows: the wire's parameters, and how a row of the config's own works."""
    row = deployment.row
    if row is None:
        return ""
    own = deployment.parameters.items()
    told = [f"{name}={value}" for name, value in own if "{" + name + "}" not in row.api_base]
    if row.confirmed == "config":
        ends = "any" if row.endpoints is None else "+".join(row.endpoints)
        told += [f"wire={row.wire}", f"auth={row.auth}", f"endpoints={ends}"]
        told += [f"quirk={each}" for each in row.quirks]
    return f" ({', '.join(told)})" if told else ""


def _keys(deployments: Iterable[Deployment]) -> dict[str, tuple[str | None, ...]]:
    """Compared and never shown."""
    keys: dict[str, tuple[str | None, ...]] = {}
    for each in deployments:
        keys[each.alias] = (*keys.get(each.alias, ()), each.api_key)
    return keys


def _routes(config: Config | None, text: Value) -> dict[str, tuple[str, ...]]:
    routes: dict[str, tuple[str, ...]] = {}
    entries = text.get("models") if isinstance(text, dict) else None
    for number, each in enumerate(config.deployments if config else ()):
        extras = extras_of(entries[number], _TOLD) if isinstance(entries, list) and number < len(entries) else ""
        routes[each.alias] = (*routes.get(each.alias, ()), describe(each) + (f" ({extras})" if extras else ""))
    # Where the text is at hand, its section `routing` is compared key by key with all the others.
    for alias, policy in (config.routing if config and text is None else {}).items():
        routes[alias] = (*routes.get(alias, ()), policy_in_words(policy))
    return routes
