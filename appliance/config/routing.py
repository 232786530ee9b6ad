"""`routing:` in a config: for each alias, or `"*"` for all that are not named, the name of a preset or a policy.

A policy that could not work (a fallback to nowhere, weights that are all zero, prices or tags that are missing) is
refused here, with line and key, and not met by a caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from pydantic import ValidationError

from appliance.config.part import refused
from appliance.config.policy import Policy, Price
from appliance.config.presets import PRESETS, preset_document
from appliance.config.routing_part import PolicyPart
from appliance.errors import ConfigRefused
from media.strict_yaml import Document, NodePath

EVERY_ALIAS = "*"
NO_ROUTING_BY = frozenset({b"authorization", b"x-api-key", b"cookie", b"proxy-authorization"})


class Routed(Protocol):
    """What is looked at of a deployment."""

    @property
    def alias(self) -> str: ...
    @property
    def tags(self) -> tuple[str, ...]: ...
    @property
    def weight(self) -> float: ...
    @property
    def price(self) -> Price | None: ...


def read_routing(
    document: Document, written: Mapping[str, Any], deployments: Sequence[Routed]
) -> tuple[Mapping[str, Policy], frozenset[str]]:
    """The policy of every alias that has one, and the keys under which a policy of one's own is written.

    Raises ConfigRefused with line and key.
    """
    by_alias: dict[str, list[Routed]] = {}
    for each in deployments:
        by_alias.setdefault(each.alias, []).append(each)
    policies: dict[str, Policy] = {}
    for name, given in written.items():
        place: NodePath = ("routing", name)
        if name != EVERY_ALIAS and name not in by_alias:
            raise ConfigRefused(f"There is no model {name[:128]!r} to be routed.", where=document.where(place))
        policies[name] = _policy(document, place, given)
    own = frozenset(name for name, given in written.items() if not isinstance(given, str))
    general = policies.pop(EVERY_ALIAS, None)
    for alias, those in by_alias.items():
        named = alias in policies
        policy = policies.get(alias, general)
        if policy is not None:
            key = alias if named else EVERY_ALIAS
            _check(document, ("routing", key), alias, policy, those, by_alias, own=named and key in own)
            policies[alias] = policy
    return policies, own


def read_policy(given: Any, name: str) -> Policy:
    """A policy's value. Raises ValidationError."""
    return PolicyPart.model_validate(given).value(name)


def _policy(document: Document, place: NodePath, given: Any) -> Policy:
    if isinstance(given, str):
        if given not in PRESETS:
            raise ConfigRefused(
                f"There is no preset {given[:64]!r}; those that exist are: {', '.join(PRESETS)}.",
                where=document.where(place),
            )
        return read_policy(preset_document(given).value, given)
    try:
        policy = read_policy(given, "of your own")
    except ValidationError as exc:
        raise refused(document, exc, place) from exc
    _check_headers(document, place, policy)
    return policy


def _check_headers(document: Document, place: NodePath, policy: Policy) -> None:
    named = [rule.from_header for rule in policy.filter] + [each.header for each in policy.sticky]
    conditions = [*(rule.when for rule in policy.filter), *(step.when for step in policy.order)]
    named += [when.header for when in conditions if when is not None]
    for header in named:
        if header in NO_ROUTING_BY:
            raise ConfigRefused(
                f"The header {header.decode()} holds a secret; calls are not routed by it.", where=document.where(place)
            )


def _check(
    document: Document,
    place: NodePath,
    alias: str,
    policy: Policy,
    those: list[Routed],
    by_alias: Mapping[str, list[Routed]],
    *,
    own: bool,
) -> None:
    """What can be known now to fail later. Tags are checked in a policy that is written for this alias alone."""
    if policy.pick != "first" and not any(each.weight for each in those):
        raise ConfigRefused(f"Every deployment of {alias!r} has the weight 0.", where=document.where(place))
    if any(step.by == "cost" for step in policy.order) and not all(each.price for each in those):
        raise ConfigRefused(
            f"Routing by cost needs a price of every deployment of {alias!r}.",
            where=document.where(place),
            remedy="Write price: {input: …, output: …} (per million tokens) into each of its entries, and sign again.",
        )
    for number, chain in enumerate(policy.chains):
        if chain.alias == alias or chain.alias not in by_alias:
            reason = "it is the model itself" if chain.alias == alias else "there is no such model"
            raise ConfigRefused(
                f"Model {alias!r} cannot fall back to {chain.alias[:128]!r}: {reason}.",
                where=document.where((*place, "fall_back", "aliases", number, "to")),
            )
    if own:
        _check_tags(document, place, alias, policy, {tag for each in those for tag in each.tags})


def _check_tags(document: Document, place: NodePath, alias: str, policy: Policy, known: set[str]) -> None:
    written = [(("filter", number), tag) for number, rule in enumerate(policy.filter) for tag in sorted(rule.tags)]
    written += [(("order", number), tag) for number, step in enumerate(policy.order) for tag in step.tags]
    for path, tag in written:
        if tag not in known:
            raise ConfigRefused(
                f"No deployment of {alias!r} has the tag {tag!r}.", where=document.where((*place, *path))
            )
