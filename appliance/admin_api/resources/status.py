"""`/status`, `/health`: the whole site in one answer, and how its deployments are."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from appliance.access.authorise import Permission
from appliance.admin_api.resources.models import Told
from appliance.admin_api.routes import OnDesk, route
from appliance.config.plan import describe
from appliance.operations.status import status
from licensing.document import format_time


class ClockTold(Told):
    now: str
    floor: str
    source: str


class HealthTold(Told):
    """`words` says it for a person. `deployment` is as `GET /config` names it."""

    alias: str
    route: str
    deployment: str
    workers: int
    resting: list[str]
    seconds_left: int
    first_byte_p95_ms: int | None
    whole_p95_ms: int | None
    words: str


class HealthPage(Told):
    deployments: list[HealthTold]


class StatusTold(Told):
    site: str
    name: str
    epoch: int
    clock: ClockTold
    rung: str
    serves: bool
    sentence: str
    days_left: int | None
    warnings: list[str]
    config_serial: int | None
    config_fault: dict[str, Any] | None
    deployments: int
    keys_active: int
    running_since: str | None
    usage_open_since: str
    usage_sealed_seq: int
    usage_acknowledged_seq: int
    usage_acknowledged_until: str
    certificate_not_after: str | None
    certificate_days_left: int | None


@route("GET", "/status", Permission.STATUS_READ, "status")
def show_status(desk: OnDesk) -> StatusTold:
    """The site: licence, clock, config, usage."""
    found = status(desk.site, desk.now, time.monotonic(), desk.settings.tls_certificate)
    standing = found.standing
    return StatusTold(
        site=found.site,
        name=found.name,
        epoch=found.epoch,
        clock=ClockTold(now=format_time(found.now), floor=format_time(found.floor.at), source=found.floor.source),
        rung=standing.rung.value,
        serves=standing.terms.serves,
        sentence=standing.sentence,
        days_left=standing.days_left,
        warnings=list(standing.warnings),
        config_serial=found.config.serial if found.config else None,
        config_fault=dict(found.config_fault.as_dict()) if found.config_fault else None,
        deployments=len(found.health),
        keys_active=found.keys_active,
        running_since=found.running_since,
        usage_open_since=format_time(found.open_since),
        usage_sealed_seq=found.sealed_seq,
        usage_acknowledged_seq=found.acknowledged_seq,
        usage_acknowledged_until=format_time(found.acknowledged_until),
        certificate_not_after=format_time(found.certificate.not_after) if found.certificate else None,
        certificate_days_left=found.certificate.days_left if found.certificate else None,
    )


@route("GET", "/health", Permission.STATUS_READ, "status")
def show_health(desk: OnDesk) -> HealthPage:
    """The health of every deployment, as the workers have found it."""
    found = status(desk.site, desk.now, time.monotonic(), desk.settings.tls_certificate)
    deployments = found.config.deployments if found.config else ()
    told = []
    for each, health in zip(deployments, found.health, strict=True):
        facts = {name: value for name, value in asdict(health).items() if name != "probe"}
        told.append(HealthTold(alias=each.alias, route=describe(each), words=health.words, **facts))
    return HealthPage(deployments=told)


ROUTES = (show_status, show_health)
