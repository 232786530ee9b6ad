"""A policy, limits, prices in words, for whoever agrees to them. Pure.

Whatever is not as it is by default is named: so nothing that a config changes can stay out of sight.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from appliance.config.policy import AS_WRITTEN, Limits, Policy, Price, Probe, Timeouts

_OF_A_DEPLOYMENT = (("limits", Limits()), ("timeouts", Timeouts()), ("price", None), ("probe", None))


def policy_in_words(policy: Policy) -> str:
    """`routing balanced` for a preset; a policy of one's own with all that it says."""
    own = policy.name == "of your own"
    said = "; ".join(_differences(policy, AS_WRITTEN, skip={"name"})) if own else ""
    return f"routing {policy.name}{': ' if said else ''}{said}"


def deployment_in_words(
    weight: float, price: Price | None, limits: Limits, timeouts: Timeouts, probe: Probe | None
) -> str:
    """What an entry says for routing, with a blank before it; nothing where it says nothing."""
    given = {"limits": limits, "timeouts": timeouts, "price": price, "probe": probe}
    said = [f"weight {weight:g}"] if weight != 1 else []
    said += [f"{name} {_words(given[name])}" for name, usual in _OF_A_DEPLOYMENT if given[name] != usual]
    return "".join(f", {each}" for each in said)


def _differences(value: Any, usual: Any, *, skip: frozenset[str] | set[str] = frozenset()) -> Iterator[str]:
    for field in fields(value):
        mine, other = getattr(value, field.name), getattr(usual, field.name)
        if field.name in skip or mine == other:
            continue
        if is_dataclass(mine) and type(mine) is type(other):
            yield f"{field.name} {{{', '.join(_differences(mine, other))}}}"
        else:
            yield f"{field.name} {_words(mine)}"


def _words(value: Any) -> str:
    if isinstance(value, frozenset):
        return f"[{', '.join(sorted(value))}]"
    if isinstance(value, tuple):
        return f"[{', '.join(_words(each) for each in value)}]"
    if is_dataclass(value):
        told = ((field.name, getattr(value, field.name)) for field in fields(value))
        said = [f"{name} {_words(each)}" for name, each in told if each not in (None, b"", (), frozenset())]
        return f"{{{', '.join(said)}}}"
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
