"""`/anomaly`: keys that are used as a leaked one would be."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from litestar.params import JSONBody, QueryParameter

from appliance.access.anomaly.judge import Mode, Rules, Sensitivity
from appliance.access.authorise import Permission
from appliance.access.kept_histories import Finding
from appliance.admin_api.errors import CallMalformed
from appliance.admin_api.resources.administrators import scope_in
from appliance.admin_api.resources.models import Body, Label, Name, Told
from appliance.admin_api.routes import OnDesk, route
from appliance.operations.anomaly import all_rules, list_findings, set_rules, show_key
from licensing.document import format_time

Last = Annotated[int, QueryParameter(ge=1, le=500, description="How many findings, the newest.")]
OfKey = Annotated[str | None, QueryParameter(min_length=1, max_length=128, description="Those of one key only.")]


class RulesAsked(Body):
    """For a team, an org, or (neither named) the site; what is left out of the rest stays."""

    org: Label | None = None
    team: Label | None = None
    sensitivity: Sensitivity | None = None
    mode: Mode | None = None


class RulesTold(Told):
    org: str | None
    team: str | None
    sensitivity: str
    mode: str

    @classmethod
    def of(cls, org: str | None, team: str | None, rules: Rules) -> RulesTold:
        return cls(org=org or None, team=team or None, sensitivity=rules.sensitivity, mode=rules.mode)


class RulesChanged(Told):
    before: RulesTold
    after: RulesTold


class FindingTold(Told):
    at: str
    key: str
    name: str
    org: str
    team: str
    score: float
    threshold: float
    sensitivity: str
    mode: str
    paused: bool
    signals: list[dict[str, Any]]

    @classmethod
    def of(cls, each: Finding) -> FindingTold:
        return cls(
            at=format_time(datetime.fromtimestamp(each.at // 1000, UTC)),
            key=each.key,
            name=each.name,
            org=each.org,
            team=each.team,
            score=each.score,
            threshold=each.threshold,
            sensitivity=each.sensitivity,
            mode=each.mode,
            paused=each.paused,
            signals=[dict(signal) for signal in each.signals],
        )


class Findings(Told):
    """The newest last; `rules` only where all keys are asked for."""

    findings: list[FindingTold]
    rules: list[RulesTold]


class WatchedTold(Told):
    watched: dict[str, Any]


@route("GET", "/anomaly", Permission.ANOMALY_READ, "anomaly list")
def list_findings_(desk: OnDesk, last: Last = 50, key: OfKey = None) -> Findings:
    """What was found, and how keys are watched."""
    found = [FindingTold.of(each) for each in list_findings(desk.site, last, key)]
    rules = {} if key is not None else all_rules(desk.site)
    return Findings(findings=found, rules=[RulesTold.of(*place, each) for place, each in rules.items()])


@route("PATCH", "/anomaly", Permission.ANOMALY_WRITE, "anomaly set")
def set_rules_(desk: OnDesk, data: JSONBody[RulesAsked]) -> RulesChanged:
    """How keys are watched. The nearest of team, org and site holds."""
    scope = scope_in(data.org, data.team)
    if data.sensitivity is None and data.mode is None:
        raise CallMalformed("Nothing is named that is to change.")
    before, after = set_rules(desk.site, scope.org or "", scope.team or "", data.sensitivity, data.mode, desk.now)
    told = (RulesTold.of(data.org, data.team, each) for each in (before, after))
    return RulesChanged(before=next(told), after=next(told))


@route("GET", "/keys/{key:str}/anomaly", Permission.ANOMALY_READ, "anomaly show")
def show_watched(desk: OnDesk, key: Name) -> WatchedTold:
    """What is usual for a key, and what is to be thought of its use now."""
    return WatchedTold(watched=show_key(desk.site, key, desk.now).as_dict())


ROUTES = (list_findings_, set_rules_, show_watched)
