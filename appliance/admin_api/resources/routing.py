"""`/route`, `/providers`: how a made-up call would be routed, and the catalogue of providers."""

from __future__ import annotations

import secrets
import time
from typing import Annotated, Any

from litestar.params import JSONBody
from pydantic import Field

from appliance.access.authorise import Permission
from appliance.admin_api.answer import Limit, Offset, page
from appliance.admin_api.resources.models import Body, Name, Named, Told
from appliance.admin_api.routes import OnDesk, route
from appliance.config.presets import PRESETS, preset_text
from appliance.operations.providers import as_data, list_providers, show_provider
from appliance.operations.route import MadeUp, explain

_Text = Annotated[str, Field(max_length=8192)]


class MadeUpCall(Body):
    """A call that nobody makes. `draw` left out: a number is drawn."""

    alias: Annotated[str, Field(min_length=1, max_length=128)]
    endpoint: Annotated[str, Field(min_length=1, max_length=128)] = "chat/completions"
    headers: dict[str, _Text] = Field({}, max_length=64)
    key: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    user: _Text | None = None
    prompt: _Text | None = None
    prompt_tokens: Annotated[int, Field(ge=0, le=2**40)] = 1000
    stream: bool = False
    draw: Annotated[int, Field(ge=0, le=2**53)] | None = None


class LeftOut(Told):
    deployment: str
    why: str


class Leg(Told):
    alias: str
    policy: str
    after: list[str]
    tried: list[str]
    left_out: list[LeftOut]


class Explained(Told):
    legs: list[Leg]
    rounds: int
    lines: list[str]


class Presets(Told):
    presets: dict[str, str]


class ProviderPage(Told):
    items: list[dict[str, Any]]
    total: int
    next_offset: int | None


class ProviderTold(Told):
    provider: dict[str, Any]


@route("POST", "/route/explain", Permission.CONFIG_READ, "route explain")
def explain_route(desk: OnDesk, data: JSONBody[MadeUpCall]) -> Explained:
    """What would be tried for a made-up call, in which order, and why. Nothing is called."""
    facts = data.model_dump() | {"draw": secrets.randbits(53) if data.draw is None else data.draw}
    found = explain(desk.site, MadeUp(**facts), desk.host_secrets, desk.now, time.monotonic())
    legs = [
        Leg(
            alias=leg.alias,
            policy=str(leg.policy),
            after=[str(each) for each in leg.on],
            tried=[each.id for each in leg.decision.order],
            left_out=[LeftOut(deployment=each.candidate.id, why=each.why) for each in leg.decision.left_out],
        )
        for leg in found.foreseen.legs
    ]
    return Explained(legs=legs, rounds=found.foreseen.rounds, lines=list(found.lines))


@route("GET", "/route/presets", Permission.CONFIG_READ, "route presets")
def show_presets(desk: OnDesk) -> Presets:
    """The presets: each is a policy that could stand in a config as it is."""
    return Presets(presets={name: preset_text(name) for name in PRESETS})


@route("GET", "/providers", Permission.CONFIG_READ, "providers list")
def list_providers_(
    desk: OnDesk,
    region: Named = None,
    wire: Named = None,
    confirmed: Named = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> ProviderPage:
    """The rows of the catalogue that are all of what is asked."""
    rows = list_providers(region=region, wire=wire, confirmed=confirmed)
    return ProviderPage(**page([dict(as_data(each)) for each in rows], limit, offset))


@route("GET", "/providers/{provider:str}", Permission.CONFIG_READ, "providers show")
def show_provider_(desk: OnDesk, provider: Name) -> ProviderTold:
    """All that is known of one provider."""
    return ProviderTold(provider=dict(as_data(show_provider(provider))))


ROUTES = (explain_route, show_presets, list_providers_, show_provider_)
