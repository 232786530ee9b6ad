"""How calls are routed: the presets, the health of each deployment, and what would be tried for a made-up call.

The explanation is made by the functions that route (appliance/gateway/routing/), from the config and licence in force
and from what the workers have shared of the deployments' health.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from appliance.access.authorise import Permission
from appliance.access.keys import ApiKey, list_keys
from appliance.config.model import Config
from appliance.config.secrets import SecretLookup
from appliance.errors import KeyUnknown, ModelUnknown
from appliance.gateway.admission import routes_for
from appliance.gateway.errors import GatewayRefusal
from appliance.gateway.health import Conditions
from appliance.gateway.routing.condition import Condition
from appliance.gateway.routing.explain import Foreseen, foresee, lines
from appliance.gateway.routing.facts import Facts
from appliance.gateway.snapshot import Route, Snapshot, take_snapshot
from appliance.operations.needs import needs
from appliance.state.health import Found, HealthFolder, Probed
from appliance.state.site import Site


@dataclass(frozen=True, slots=True)
class MadeUp:
    """A call that nobody makes."""

    alias: str
    endpoint: str
    headers: Mapping[str, str]
    key: str | None
    user: str | None
    prompt: str | None
    prompt_tokens: int
    stream: bool
    draw: int


@dataclass(frozen=True, slots=True)
class Explanation:
    foreseen: Foreseen[Route]
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeploymentHealth:
    """`workers` is how many have shared what they found; `resting` how many of them send nothing there, and why."""

    deployment: str
    workers: int
    resting: tuple[str, ...]
    seconds_left: int
    first_byte_p95_ms: int | None
    whole_p95_ms: int | None
    probe: Probed | None

    @property
    def words(self) -> str:
        if self.resting:
            said = f"resting in {len(self.resting)} of {self.workers} workers ({self.resting[0]}"
            said += f", {self.seconds_left} s left)" if self.seconds_left else ")"
        else:
            said = "well" if self.workers else "nothing known"
        for name, value in (("first byte", self.first_byte_p95_ms), ("whole answer", self.whole_p95_ms)):
            said += f"; P95 {name} {value} ms" if value is not None else ""
        if self.probe is not None:
            said += f"; probe: {'up' if self.probe.up else self.probe.why} ({self.probe.took_ms} ms)"
        return said


def health_of(config: Config, folder: HealthFolder, monotonic: float) -> list[DeploymentHealth]:
    """The health of every deployment, as the processes that live have shared it."""
    workers, probes = folder.workers(), folder.probes()
    return [_health(each.id, workers, probes.get(each.id), monotonic) for each in config.deployments]


def _health(name: str, workers: list[dict[str, Found]], probe: Probed | None, now: float) -> DeploymentHealth:
    found = [worker[name] for worker in workers if name in worker]
    resting = [each for each in found if each.resting and each.until > now]
    streamed = [each.first_byte_p95_ms for each in found if each.first_byte_p95_ms is not None]
    whole = [each.whole_p95_ms for each in found if each.whole_p95_ms is not None]
    return DeploymentHealth(
        deployment=name,
        workers=len(workers),
        resting=tuple(each.resting for each in resting),
        seconds_left=round(max((each.until - now for each in resting), default=0)),
        first_byte_p95_ms=max(streamed, default=None),
        whole_p95_ms=max(whole, default=None),
        probe=probe,
    )


@needs(Permission.CONFIG_READ)
def explain(site: Site, call: MadeUp, secrets: SecretLookup, now: datetime, monotonic: float) -> Explanation:
    """What would be tried for this call, in which order, and why. Raises KeyUnknown, ModelUnknown, and what stands in
    the way of every call."""
    snapshot = take_snapshot(site, secrets, now)
    key = _key(site, call.key) if call.key is not None else None
    try:
        grant = snapshot.grants[key.id] if key is not None else None
        routes_for(snapshot, call.alias, grant)
    except GatewayRefusal as refusal:
        raise ModelUnknown(refusal.message) from refusal
    conditions = _conditions(snapshot, HealthFolder(site.folder), monotonic)
    facts = _facts(call, key)
    licence = snapshot.licence
    foreseen = foresee(
        snapshot.tables,
        call.alias,
        lambda: facts,
        conditions,
        monotonic,
        call.endpoint,
        allowed=lambda alias: (
            licence is not None and licence.allows_model(alias) and (grant is None or grant.may_use(alias))
        ),
    )
    return Explanation(foreseen, tuple(lines(foreseen, conditions, monotonic)))


def _conditions(snapshot: Snapshot, folder: HealthFolder, now: float) -> Mapping[str, Condition]:
    """As the worker sees them that has found the most: with several workers, others may know better."""
    conditions = Conditions()
    for found in folder.workers():
        for name, each in found.items():
            condition = conditions[name]
            if each.resting and each.until > now:
                condition.rest(each.until - now, now)
            for latency, p95 in (
                (condition.streamed, each.first_byte_p95_ms),
                (condition.whole, each.whole_p95_ms),
            ):
                latency.assume(p95 / 1000 if p95 is not None else None, now)
    for name, probe in folder.probes().items():
        conditions[name].probed(up=probe.up, until=probe.until)
    for table in snapshot.tables.values():
        for candidate in table.candidates:
            conditions[candidate.id].follow(table.policy.circuit, table.policy.latency)
    return conditions


def _facts(call: MadeUp, key: ApiKey | None) -> Facts:
    return Facts(
        endpoint=call.endpoint,
        stream=call.stream,
        headers={name.lower().encode(): value.encode("latin-1", "replace") for name, value in call.headers.items()},
        org=key.org if key else "",
        team=key.team if key else "",
        key=key.id if key else "",
        # As it stands in a body: the gateway draws by the bytes of the member.
        user=msgspec.json.encode(call.user) if call.user is not None else None,
        prompt=call.prompt.encode() if call.prompt is not None else None,
        prompt_tokens=call.prompt_tokens,
        draw=call.draw,
    )


def _key(site: Site, wanted: str) -> ApiKey:
    for each in list_keys(site.database):
        if wanted in (each.id, each.name) and site.sees(Permission.KEYS_READ, each.org, each.team):
            return each
    raise KeyUnknown(f"There is no API key {wanted[:64]!r}.")
