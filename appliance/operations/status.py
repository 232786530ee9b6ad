"""The whole site on one screen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from appliance.access.authorise import Permission
from appliance.access.keys import list_keys
from appliance.config.in_force import open_config_in_force
from appliance.config.model import Config
from appliance.ledger.seal import last_sealed, open_since
from appliance.ledger.unacknowledged import Use, acknowledged_seq, unacknowledged_uses
from appliance.operations.needs import needs
from appliance.operations.route import DeploymentHealth, health_of
from appliance.operations.site import ready_request
from appliance.state.admin_address import noted_address
from appliance.state.health import HealthFolder
from appliance.state.serving import is_serving
from appliance.state.site import Site
from appliance.state.standing import judge_site, reported_until
from appliance.tls.described import Described, first_in
from licensing.clock import TimeFloor
from licensing.errors import Refusal
from licensing.standing import Rung, Standing

WANTS_A_REQUEST = frozenset({Rung.MISSING, Rung.WRONG_SITE, Rung.WRONG_EPOCH})


@dataclass(frozen=True, slots=True)
class Status:
    """`request` is where a request lies ready, on a rung that only a licence for this very state ends."""

    site: str
    name: str
    epoch: int
    now: datetime
    floor: TimeFloor
    standing: Standing
    request: Path | None
    config: Config | None
    config_fault: Refusal | None
    health: tuple[DeploymentHealth, ...]
    keys_active: int
    running_since: str | None
    admin_api: str | None
    uses: tuple[Use, ...]
    open_since: datetime
    sealed_seq: int
    acknowledged_seq: int
    acknowledged_until: datetime
    certificate: Described | None
    certificate_fault: Refusal | None


@needs(Permission.STATUS_READ)
def status(site: Site, now: datetime, monotonic: float, presents: Path | None) -> Status:
    """Everything an operator asks first. Takes the journal in, changes nothing else. `presents` is the file of the
    listener's certificate, where it has one."""
    certificate, certificate_fault = _certificate(presents, now)
    config, fault = _config(site)
    standing = judge_site(site, site.trust(), now)
    last = last_sealed(site.database)
    run = site.database.execute("SELECT started FROM runs ORDER BY id DESC LIMIT 1").fetchone()
    return Status(
        site=site.id,
        name=site.name,
        epoch=site.epoch,
        now=now,
        floor=site.time_floor(),
        standing=standing,
        request=ready_request(site) if standing.rung in WANTS_A_REQUEST and ready_request(site).is_file() else None,
        config=config,
        config_fault=fault,
        health=tuple(health_of(config, HealthFolder(site.folder), monotonic)) if config else (),
        keys_active=sum(key.usable(now) for key in list_keys(site.database)),
        running_since=run["started"] if run and is_serving(site.folder) else None,
        admin_api=noted_address(site.folder) if is_serving(site.folder) else None,
        uses=tuple(unacknowledged_uses(site, now)),
        open_since=open_since(site),
        sealed_seq=last.seq if last else 0,
        acknowledged_seq=acknowledged_seq(site),
        acknowledged_until=reported_until(site),
        certificate=certificate,
        certificate_fault=certificate_fault,
    )


def _certificate(presents: Path | None, now: datetime) -> tuple[Described | None, Refusal | None]:
    try:
        return (first_in(presents, now), None) if presents is not None else (None, None)
    except Refusal as refusal:
        return None, refusal


def _config(site: Site) -> tuple[Config | None, Refusal | None]:
    try:
        return open_config_in_force(site, site.trust()).verified.claims, None
    except Refusal as refusal:
        return None, refusal
