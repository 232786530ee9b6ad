"""How keys are watched, and what was found: set and shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from appliance.access import kept_histories as kept
from appliance.access import teams
from appliance.access.anomaly.history import History, Met, usual_top
from appliance.access.anomaly.judge import (
    FIRST_CALLS,
    FIRST_DAYS,
    FULL_DAYS,
    Judgement,
    Mode,
    Rules,
    Sensitivity,
    judge,
)
from appliance.access.authorise import Permission
from appliance.access.kept_histories import Finding
from appliance.access.keys import ApiKey, find_key
from appliance.state.database import transaction
from appliance.state.site import Site
from licensing.document import format_time


@dataclass(frozen=True, slots=True)
class Watched:
    """A key, how it is watched, what is usual for it, and what is to be thought of it now."""

    key: ApiKey
    rules: Rules
    history: History
    judgement: Judgement

    def as_dict(self) -> dict[str, Any]:
        of = self.history
        hours = {
            kind: [hour for hour in range(24) if of.hours[start + hour] >= 0.06 * max(of.hour_days[start // 24], 1)]
            for kind, start in (("working_days", 0), ("weekends", 24))
        }
        return {
            "key": self.key.id,
            "name": self.key.name,
            "org": self.key.org,
            "team": self.key.team,
            "sensitivity": self.rules.sensitivity,
            "mode": self.rules.mode,
            "threshold": self.rules.threshold,
            "score": self.judgement.score,
            "weight": round(self.judgement.weight, 2),
            "signals": list(kept.signals_of(self.judgement)),
            "words": self.judgement.words,
            "days": of.days,
            "requests": of.requests,
            "first_used": _time(of.began),
            "last_used": _time(of.last),
            "networks": _met(of.networks),
            "models": _met(of.models),
            "hours_utc": hours,
            "usual_calls_in_five_minutes": round(usual_top(of.levels_requests)),
            "usual_tokens_in_five_minutes": round(1000 * usual_top(of.levels_tokens)),
            "found_good_until": _time(of.accepted),
        }

    def lines(self) -> list[str]:
        told = self.as_dict()
        limit = "not watched" if self.rules.threshold is None else f"{self.rules.mode} at {self.rules.threshold}"
        known = (
            f"counts in full after {FULL_DAYS} days"
            if self.judgement.weight
            else f"nothing counts before day {FIRST_DAYS} and call {FIRST_CALLS}"
        )
        return [
            f"{self.key.id} ({self.key.name}) of {self.key.org}/{self.key.team}",
            f"sensitivity {self.rules.sensitivity} ({limit}); score now {self.judgement.score}: {self.judgement.words}",
            f"known for {told['days']} days of use, {told['requests']} calls ({known})",
            f"networks: {', '.join(told['networks']) or '–'}",
            f"models: {', '.join(told['models']) or '–'}",
            f"usual hours (UTC): working days {_spans(told['hours_utc']['working_days'])}; "
            f"weekends {_spans(told['hours_utc']['weekends'])}",
            f"usual at most: {told['usual_calls_in_five_minutes']} calls and "
            f"{told['usual_tokens_in_five_minutes']} tokens in five minutes",
        ]


def set_rules(
    site: Site, org: str, team: str, sensitivity: Sensitivity | None, mode: Mode | None, now: datetime
) -> tuple[Rules, Rules]:
    """Sets how a team's keys are watched (an org's where `team` is empty, the site's where both are); what is None
    stays. Gives what was before, and what is now. Raises TeamUnknown."""
    site.require(Permission.ANOMALY_WRITE, org or None, team or None)
    with transaction(site.database) as db:
        if org:
            teams.find(db, org, team)
        before = kept.rules_of(kept.all_rules(db), org, team)
        after = Rules(sensitivity or before.sensitivity, mode or before.mode)
        kept.put_rules(db, org, team, after)
        place = f"{org!r}/{team!r}" if team else repr(org) if org else "this site"
        words = f"{before.sensitivity}, {before.mode} → {after.sensitivity}, {after.mode}"
        site.record("anomaly.set", f"{place}: {words}", now)
    site.board.raise_generation()
    return before, after


def show_key(site: Site, name_or_id: str, now: datetime) -> Watched:
    """As of the last few seconds. Raises KeyUnknown, KeyRefused."""
    key = find_key(site.database, name_or_id)
    site.require(Permission.ANOMALY_READ, key.org, key.team)
    history = kept.history_of(site.database, key.account)
    at = max(history.last, history.bucket.start) or int(now.timestamp() * 1000)
    judgement = judge(history, kept.surroundings(site.database), key.account, at)
    return Watched(key, kept.rules_of(kept.all_rules(site.database), key.org, key.team), history, judgement)


def list_findings(site: Site, last: int, name_or_id: str | None = None) -> list[Finding]:
    """Raises KeyUnknown, KeyRefused."""
    key = find_key(site.database, name_or_id) if name_or_id else None
    if key is None:
        site.require(Permission.ANOMALY_READ)
    else:
        site.require(Permission.ANOMALY_READ, key.org, key.team)
    return kept.findings(site.database, last, key.id if key else None)


def all_rules(site: Site) -> dict[tuple[str, str], Rules]:
    """What was set, by org and team; both empty: the site's."""
    site.require(Permission.ANOMALY_READ)
    return {("", ""): Rules()} | kept.all_rules(site.database)


def _met(known: dict[str, Met]) -> dict[str, dict[str, str | None]]:
    last = sorted(known.items(), key=lambda each: -each[1].last)[:20]
    return {name: {"first": _time(each.first), "last": _time(each.last)} for name, each in last}


def _time(milliseconds: int) -> str | None:
    return format_time(datetime.fromtimestamp(milliseconds // 1000, UTC)) if milliseconds else None


def _spans(hours: list[int]) -> str:
    spans: list[list[int]] = []
    for hour in hours:
        if spans and spans[-1][1] == hour - 1:
            spans[-1][1] = hour
        else:
            spans.append([hour, hour])
    return ", ".join(f"{first:02}–{last + 1:02}" for first, last in spans) or "none"
