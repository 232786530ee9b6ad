"""Caps as members of a body, and what is used of them."""

from __future__ import annotations

import time
from typing import Annotated, Any

from pydantic import Field

from appliance.access.account import Moment as Instant
from appliance.access.caps import LARGEST, as_dict, cost_in
from appliance.access.kept_caps import Place
from appliance.access.keys import Channel, models_in, networks_in
from appliance.admin_api.desk import Desk
from appliance.admin_api.errors import CallMalformed
from appliance.admin_api.resources.models import Body, Moment, Told, given, moment_in
from appliance.host_process import boot_id
from appliance.operations.teams import limit, uses_of

_Count = Annotated[int, Field(ge=1, le=LARGEST)]
_Cost = Annotated[str, Field(pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?$")]
"""As in 12.50: text, so that no amount is rounded."""


class CountedCaps(Body):
    """What is left out stays; null takes a cap away."""

    rpm: _Count | None = None
    tpm: _Count | None = None
    concurrent: _Count | None = None
    tokens_day: _Count | None = None
    tokens_month: _Count | None = None
    cost_day: _Cost | None = None
    cost_month: _Cost | None = None


class AllCaps(CountedCaps):
    """Those, and what bounds every key below a tier."""

    models: list[Annotated[str, Field(min_length=1, max_length=128)]] | None = Field(None, min_length=1, max_length=256)
    networks: list[Annotated[str, Field(min_length=1, max_length=64)]] | None = Field(
        None, min_length=1, max_length=256
    )
    channels: list[Channel] | None = Field(None, min_length=1, max_length=3)
    expires_at: Moment | None = None


class CapsChanged(Told):
    before: dict[str, Any]
    caps: dict[str, Any]
    changed: bool


class Used(Told):
    """Of all channels, or of one."""

    channel: str | None
    caps: dict[str, Any]
    used: dict[str, Any]


class Uses(Told):
    uses: list[Used]


def caps_in(body: CountedCaps) -> dict[str, Any]:
    """What the body names, as `limit` takes it. Raises CapsRefused, KeyRefused, CallMalformed."""
    new = given(body)
    if not new:
        raise CallMalformed("Nothing is named that is to change.")
    readers: dict[str, Any] = {
        "cost_day": cost_in,
        "cost_month": cost_in,
        "models": models_in,
        "networks": networks_in,
        "channels": tuple,
        "expires_at": lambda text: moment_in(text, "expires_at"),
    }
    return {
        name: value if value is None else readers.get(name, lambda same: same)(value) for name, value in new.items()
    }


def caps_changed(desk: Desk, place: Place, new: dict[str, Any]) -> CapsChanged:
    before, after = limit(desk.site, place, new, desk.now)
    return CapsChanged(before=as_dict(before), caps=as_dict(after), changed=before != after)


def uses_told(desk: Desk, place: Place) -> Uses:
    boot = bytes.fromhex(boot_id().replace("-", ""))
    instant = Instant(time.clock_gettime(time.CLOCK_BOOTTIME), time.time())
    return Uses(uses=[Used(**each.as_dict()) for each in uses_of(desk.site, place, boot, instant)])
