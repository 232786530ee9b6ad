"""`/config`: models and how they are routed, one signed file. Its text is not told: it may hold a key in clear."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from litestar.params import JSONBody
from pydantic import Field

from appliance.access.authorise import Permission
from appliance.admin_api.answer import Limit, Offset, page
from appliance.admin_api.resources.models import Body, Told
from appliance.admin_api.routes import OnDesk, route
from appliance.config.plan import Plan, describe
from appliance.config.words import policy_in_words
from appliance.operations.config import activate_config, config_in_force, examine_bytes
from appliance.operations.config_history import Activation, find_way_back, go_back, history
from licensing.document import format_time


class ModelRoute(Told):
    alias: str
    deployment: str
    route: str


class ConfigTold(Told):
    serial: int
    issued_at: str
    models: list[ModelRoute]
    routing: dict[str, str]


class PlanTold(Told):
    """What changes with it: `lines` for a person, `plan` for a program."""

    serial: int
    arrival: str
    lines: list[str]
    plan: dict[str, Any]


class WayBack(Body):
    """The serial to go back to; left out, the config that was in force before."""

    serial: Annotated[int, Field(ge=1, le=2**53)] | None = None


class ActivationTold(Told):
    """One time that a config was put in force; `until` null: it is now."""

    serial: int
    role: str
    key_epoch: int
    digest: str
    at: str
    until: str | None
    how: str
    who: str


class HistoryPage(Told):
    items: list[ActivationTold]
    total: int
    next_offset: int | None


@route("GET", "/config", Permission.CONFIG_READ, "config show")
def show_config(desk: OnDesk) -> ConfigTold:
    """The config in force."""
    config, _ = config_in_force(desk.site)
    return ConfigTold(
        serial=config.serial,
        issued_at=format_time(config.issued_at),
        models=[ModelRoute(alias=each.alias, deployment=each.id, route=describe(each)) for each in config.deployments],
        routing={alias: policy_in_words(policy) for alias, policy in config.routing.items()},
    )


@route("POST", "/config/examine", Permission.CONFIG_READ, "config diff", document="a signed config")
def examine_config_(desk: OnDesk) -> PlanTold:
    """What a config would change here, all that could refuse it checked. Nothing is changed."""
    candidate = examine_bytes(desk.site, desk.call.body, desk.host_secrets, desk.now)
    return _plan(candidate.plan, candidate.arrival.value)


@route(
    "POST",
    "/config",
    Permission.CONFIG_WRITE,
    "config import",
    asks_twice=True,
    document="a signed config",
    status=201,
)
def import_config(desk: OnDesk) -> PlanTold:
    """Put a config in force without dropping a request."""
    candidate = examine_bytes(desk.site, desk.call.body, desk.host_secrets, desk.now)
    desk.agree("\n".join(candidate.plan.lines()))
    activate_config(desk.site, candidate, desk.now)
    return _plan(candidate.plan, candidate.arrival.value)


@route("GET", "/config/history", Permission.CONFIG_READ, "config history")
def history_of_configs(desk: OnDesk, limit: Limit = 100, offset: Offset = 0) -> HistoryPage:
    """Which configs were in force when, the newest first."""
    return HistoryPage(**page([_activation(each) for each in history(desk.site)], limit, offset))


@route("POST", "/config/rollback", Permission.CONFIG_WRITE, "config rollback", asks_twice=True)
def roll_config_back(desk: OnDesk, data: JSONBody[WayBack]) -> PlanTold:
    """Go back to a config that was in force on this site before."""
    way = find_way_back(desk.site, data.serial, desk.host_secrets, desk.now)
    desk.agree("\n".join(way.candidate.plan.lines()))
    go_back(desk.site, way, desk.now)
    return _plan(way.candidate.plan, "rollback")


def _plan(plan: Plan, arrival: str) -> PlanTold:
    return PlanTold(serial=plan.serial_after, arrival=arrival, lines=plan.lines(), plan=asdict(plan))


def _activation(each: Activation) -> ActivationTold:
    return ActivationTold(**asdict(each.floor), at=each.at, until=each.until, how=each.how, who=each.who)


ROUTES = (show_config, examine_config_, import_config, history_of_configs, roll_config_back)
