"""The options by which caps are named, and how caps and what is used of them are shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from appliance.access.caps import COSTS, COUNTED, NARROWING, cost_in
from appliance.access.keys import CHANNELS, models_in, networks_in
from appliance.cli.face import table
from appliance.errors import CapsRefused
from appliance.operations.teams import Use

F = TypeVar("F", bound=Callable[..., Any])

_ABOUT = {
    "rpm": "Requests in any minute.",
    "tpm": "Tokens in any minute.",
    "concurrent": "Calls at once.",
    "tokens_day": "Tokens a day (UTC).",
    "tokens_month": "Tokens a month (UTC).",
    "cost_day": "Cost a day, at the config's prices, as in 12.50.",
    "cost_month": "Cost a month, at the config's prices.",
}


def counted_options(function: F) -> F:
    """`--rpm` and its like, and `--no` for those that are to be capped no more."""
    return _with(function, COUNTED)


def all_options(function: F) -> F:
    """Those, and what bounds every key below a tier."""
    for option in (
        click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), help="The day (UTC) at whose start all ends."),
        click.option("--only-channel", "channels", multiple=True, type=click.Choice(CHANNELS), help="Keys of it only."),
        click.option("--from", "networks", multiple=True, help="A network that keys may be used from."),
        click.option("--model", "models", multiple=True, help="A model, or a pattern, that keys may use."),
    ):
        function = option(function)
    return _with(function, (*COUNTED, *NARROWING))


def _with(function: F, names: Sequence[str]) -> F:
    function = click.option("--no", "none", multiple=True, type=click.Choice(names), help="Cap this no more.")(function)
    for name in reversed(COUNTED):
        option = click.option(
            "--" + name.replace("_", "-"), name, type=str if name in COSTS else int, help=_ABOUT[name]
        )
        function = option(function)
    return function


def caps_in(options: dict[str, Any]) -> dict[str, Any]:
    """What the options name, as `caps.changed` takes it. Raises CapsRefused, KeyRefused."""
    none: tuple[str, ...] = options.pop("none")
    new: dict[str, Any] = {}
    for name, value in options.items():
        if value is not None and value != ():
            new[name] = _READ.get(name, lambda given: given)(value)
    if twice := set(none) & new.keys():
        raise CapsRefused("A cap cannot be set and taken away at once.", where=f"--no {min(twice)}")
    return new | dict.fromkeys(none)


def shown_uses(uses: Sequence[Use]) -> list[str]:
    lines: list[str] = []
    for use in uses:
        caps = use.as_dict()["caps"]
        lines += [f"{use.place.name}:"]
        rows = [(name, str(use.used[name]), str(caps.get(name, "–"))) for name in COUNTED]
        lines += table(("", "used", "cap"), rows)
        lines += [f"{name}: {_told(caps[name])}" for name in NARROWING if name in caps]
    return lines


def _told(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


def _ends(day: datetime) -> datetime:
    return day.replace(tzinfo=UTC)


_READ: dict[str, Callable[[Any], Any]] = {
    "cost_day": cost_in,
    "cost_month": cost_in,
    "expires_at": _ends,
    "models": models_in,
    "networks": networks_in,
}
