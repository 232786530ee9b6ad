"""What an org, a team or a key may use up, and for what, from where and until when: caps as plain values (pure).

Cost is counted in millionths of the currency that the config writes its prices in, so a price for a million tokens is
what one token costs in these.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import Any

from appliance.access.keys import Address, Network, known_channel, models_in, networks_in, within
from appliance.errors import CapsRefused
from licensing.document import format_time, parse_time

MILLIONTHS = 1_000_000
LARGEST = 2**50

COUNTED = ("rpm", "tpm", "concurrent", "tokens_day", "tokens_month", "cost_day", "cost_month")
COSTS = ("cost_day", "cost_month")
NARROWING = ("models", "networks", "channels", "expires_at")


@dataclass(frozen=True, slots=True)
class Caps:
    """None: not capped at this tier. `rpm` and `tpm` are per any 60 seconds, days and months are those of UTC, costs
    are in millionths. `models`, `networks`, `channels` and `expires_at` bound every key below."""

    rpm: int | None = None
    tpm: int | None = None
    concurrent: int | None = None
    tokens_day: int | None = None
    tokens_month: int | None = None
    cost_day: int | None = None
    cost_month: int | None = None
    models: tuple[str, ...] | None = None
    networks: tuple[Network, ...] | None = None
    channels: tuple[str, ...] | None = None
    expires_at: datetime | None = None

    @property
    def counts(self) -> bool:
        """Whether there is anything to count."""
        return any(getattr(self, name) is not None for name in COUNTED)

    @property
    def narrows(self) -> bool:
        return any(getattr(self, name) is not None for name in NARROWING)

    @property
    def budgets(self) -> bool:
        return any(getattr(self, name) is not None for name in COUNTED[3:])

    def may_use(self, model: str) -> bool:
        return self.models is None or any(fnmatchcase(model, pattern) for pattern in self.models)

    def may_come_from(self, address: Address | None) -> bool:
        return self.networks is None or within(self.networks, address)


NO_CAPS = Caps()


def changed(caps: Caps, new: Mapping[str, Any]) -> Caps:
    """With these members instead. Raises CapsRefused for a number that is no cap."""
    for name in COUNTED:
        value = new.get(name)
        if value is not None and not 0 < value <= LARGEST:
            raise CapsRefused(f"A cap is a number from 1 to {LARGEST}.", where=_option(name))
    for channel in new.get("channels") or ():
        known_channel(channel)
    return replace(caps, **new)


def cost_in(text: str) -> int:
    """An amount such as `12.50`, in millionths. Raises CapsRefused."""
    try:
        amount = Decimal(text.strip())
        millionths = int((amount * MILLIONTHS).to_integral_value()) if amount.is_finite() else 0
    except (InvalidOperation, ValueError) as exc:
        raise CapsRefused(f"{text[:40]!r} is no amount such as 12.50.") from exc
    if not 0 < millionths <= LARGEST:
        raise CapsRefused(f"{text[:40]!r} is no amount that can be a cap.")
    return millionths


def amount(millionths: int) -> str:
    """As a person reads it, two places at least."""
    whole, part = divmod(millionths, MILLIONTHS)
    return f"{whole}.{f'{part:06d}'.rstrip('0').ljust(2, '0')}"


def as_dict(caps: Caps) -> dict[str, Any]:
    """What is capped, as JSON has it: costs as text, so that no amount is rounded."""
    told: dict[str, Any] = {}
    for each in fields(Caps):
        value = getattr(caps, each.name)
        if value is None:
            continue
        if each.name in COSTS:
            value = amount(value)
        elif isinstance(value, datetime):
            value = format_time(value)
        elif isinstance(value, tuple):
            value = [str(one) for one in value]
        told[each.name] = value
    return told


def to_text(caps: Caps) -> str:
    return json.dumps(as_dict(caps), sort_keys=True)


def from_text(text: str) -> Caps:
    """What `to_text` wrote. Raises CapsRefused, KeyRefused, ValueError for anything else."""
    told = json.loads(text)
    for name in COSTS:
        if name in told:
            told[name] = cost_in(told[name])
    if "expires_at" in told:
        told["expires_at"] = parse_time(told["expires_at"])
    told["models"], told["networks"] = models_in(told.get("models")), networks_in(told.get("networks"))
    if "channels" in told:
        told["channels"] = tuple(told["channels"])
    return changed(NO_CAPS, told)


def words(caps: Caps) -> str:
    """On one line, for a person and for the audit trail."""
    told = as_dict(caps)
    shown = (", ".join(value) if isinstance(value, list) else str(value) for value in told.values())
    return "; ".join(f"{name} {value}" for name, value in zip(told, shown, strict=True)) or "no caps"


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
