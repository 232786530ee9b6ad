"""`ao anomaly set|show|list`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

import click

from appliance.access.anomaly.judge import MODES, SENSITIVITIES, Mode, Rules, Sensitivity
from appliance.access.kept_histories import Finding
from appliance.cli.face import Face, Result, command, table
from appliance.errors import CapsRefused
from appliance.operations.anomaly import all_rules, list_findings, set_rules, show_key
from licensing.document import format_time


def add_to(main: click.Group) -> None:
    @main.group("anomaly")
    def group() -> None:
        """Keys that are used as a leaked one would be."""

    @command(group, "set", example="ao anomaly set --org bank --team payments --sensitivity high --mode enforce")
    @click.option("--org", default="", help="[default: the whole site]")
    @click.option("--team", default="", help="[default: the whole org]")
    @click.option("--sensitivity", type=click.Choice(SENSITIVITIES))
    @click.option("--mode", type=click.Choice(MODES), help="shadow: find and tell. enforce: pause the key as well.")
    def set_(face: Face, *, org: str, team: str, sensitivity: str | None, mode: str | None) -> Result:
        """Set how keys are watched. What is not named stays; the nearest of team, org and site holds."""
        if sensitivity is None and mode is None:
            raise CapsRefused("Nothing is named that is to change.", remedy="See ao anomaly set --help.")
        if team and not org:
            raise CapsRefused("A team is one of an org.", where="--org", remedy="Name the org as well.")
        with face.site() as site:
            before, after = set_rules(
                site, org, team, cast(Sensitivity | None, sensitivity), cast(Mode | None, mode), face.now
            )
        data = {"org": org or None, "team": team or None, "before": _rules(before), "after": _rules(after)}
        return Result(data, [f"{_place(org, team)}: {after.sensitivity}, {after.mode}."])

    @command(group, "show", example="ao anomaly show billing-bot")
    @click.argument("key")
    def show(face: Face, *, key: str) -> Result:
        """Show what is usual for a key, and what is to be thought of its use now."""
        with face.site() as site:
            watched = show_key(site, key, face.now)
        return Result(watched.as_dict(), watched.lines())

    @command(group, "list", example="ao anomaly list --key billing-bot")
    @click.option("--last", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many findings.")
    @click.option("--key", help="Those of one key only.")
    def list_(face: Face, *, last: int, key: str | None) -> Result:
        """List what was found, the newest last, and how keys are watched."""
        with face.site() as site:
            found = list_findings(site, last, key)
            rules = {} if key else all_rules(site)
        told = [_finding(each) for each in found]
        rules_set = [{"org": org or None, "team": team or None, **_rules(of)} for (org, team), of in rules.items()]
        lines = [f"{_place(org, team)}: {of.sensitivity}, {of.mode}" for (org, team), of in rules.items()]
        rows = [[each[name] for name in ("at", "key", "name", "what", "score", "words")] for each in told]
        lines += table(("at", "key", "name", "", "score", "why"), rows) if rows else ["Nothing was found."]
        return Result({"findings": told, "rules": rules_set}, lines)


def _finding(each: Finding) -> dict[str, object]:
    words = "; ".join(f"{signal['words']} (+{signal['points']})" for signal in each.signals)
    return {
        "at": format_time(datetime.fromtimestamp(each.at // 1000, UTC)),
        "key": each.key,
        "name": each.name,
        "org": each.org,
        "team": each.team,
        "score": each.score,
        "threshold": each.threshold,
        "sensitivity": each.sensitivity,
        "mode": each.mode,
        "paused": each.paused,
        "what": "paused" if each.paused else "suspected",
        "signals": list(each.signals),
        "words": words,
    }


def _rules(rules: Rules) -> dict[str, str]:
    return {"sensitivity": rules.sensitivity, "mode": rules.mode}


def _place(org: str, team: str) -> str:
    return f"{org}/{team}" if team else org or "this site"
