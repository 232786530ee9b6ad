"""`ao status`: one screen."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import click

from appliance.cli.face import Face, Result, command, table
from appliance.config.plan import describe
from appliance.operations.status import Status, status
from appliance.tls.described import WARN_DAYS
from licensing.document import format_time


def add_to(main: click.Group) -> None:
    @command(main, "status", example="ao status --json")
    def status_(face: Face) -> Result:
        """The site on one screen: licence, clock, config, usage.

        Exit code: the licence rung's (20-28), else that of a fault in the config (60-65), else 0.
        """
        with face.site() as site:
            found = status(site, face.now, time.monotonic(), face.settings.tls_certificate)
        fault = found.config_fault.exit_code if found.config_fault else 0
        return Result(_data(found), _lines(found), found.standing.terms.exit_code or fault)


def _data(found: Status) -> dict[str, Any]:
    standing = found.standing
    return {
        "site": found.site,
        "name": found.name,
        "epoch": found.epoch,
        "now": format_time(found.now),
        "time_floor": {"at": format_time(found.floor.at), "source": found.floor.source},
        "licence": {
            "rung": standing.rung.value,
            "code": standing.code,
            "serves": standing.terms.serves,
            "sentence": standing.sentence,
            "days_left": standing.days_left,
            "warnings": list(standing.warnings),
            "remedy": standing.terms.remedy,
            "request": str(found.request) if found.request else None,
            "report_due": format_time(standing.report_due) if standing.report_due else None,
        },
        "config": {
            "serial": found.config.serial,
            "deployments": [
                {"alias": each.alias, "route": describe(each), "health": asdict(health)}
                for each, health in zip(found.config.deployments, found.health, strict=True)
            ],
        }
        if found.config
        else None,
        "config_fault": found.config_fault.as_dict() if found.config_fault else None,
        "keys_active": found.keys_active,
        "running_since": found.running_since,
        "admin_api": found.admin_api,
        "certificate": found.certificate.as_dict() if found.certificate else None,
        "certificate_fault": found.certificate_fault.as_dict() if found.certificate_fault else None,
        "usage": {
            "since_receipt": [asdict(each) for each in found.uses],
            "open_since": format_time(found.open_since),
            "sealed_seq": found.sealed_seq,
            "acknowledged_seq": found.acknowledged_seq,
            "acknowledged_until": format_time(found.acknowledged_until),
        },
    }


def _lines(found: Status) -> list[str]:
    standing = found.standing
    lines = [
        f"{found.name} ({found.site}), epoch {found.epoch}",
        "",
        f"gateway   {'serving since ' + found.running_since if found.running_since else 'not running'}",
        f"licence   {standing.rung.value}: {standing.sentence}",
    ]
    if found.admin_api:
        lines.insert(3, f"admin     {found.admin_api}")
    if standing.days_left is not None:
        left = standing.days_left
        lines.append(f"          {left} days left" if left >= 0 else f"          expired {-left} days ago")
    if not standing.terms.serves:
        lines.append(f"          {standing.terms.remedy}")
    if found.request:
        lines.append(f"          A request lies ready: {found.request}; to put a fresh one on a medium:")
        lines.append("          ao site request --out /media/usb/site-request.signed.json")
    lines += [f"          warning: {warning}" for warning in standing.warnings]
    lines.append(
        f"clock     {format_time(found.now)}; not earlier than {format_time(found.floor.at)} ({found.floor.source})"
    )
    lines += _certificate_lines(found)
    if found.config:
        lines.append(f"config    serial {found.config.serial}, {len(found.config.deployments)} deployments")
        for each, health in zip(found.config.deployments, found.health, strict=True):
            lines += [f"          {each.alias}: {describe(each)}", f"            {each.id}: {health.words}"]
    else:
        lines.append(f"config    {found.config_fault} [{found.config_fault.code if found.config_fault else ''}]")
        lines.append(f"          {found.config_fault.remedy if found.config_fault else ''}")
    lines.append(f"keys      {found.keys_active} active")
    lines.append(
        f"usage     {found.sealed_seq} files sealed, {found.acknowledged_seq} acknowledged "
        f"(until {format_time(found.acknowledged_until)}); open since {format_time(found.open_since)}"
    )
    if found.uses:
        header = ("team", "model", "requests", "errors", "prompt_tokens", "completion_tokens")
        rows = [[asdict(each)[name] for name in header] for each in found.uses]
        lines += ["", "Since the last receipt:", *(f"  {line}" for line in table(header, rows))]
    return lines


def _certificate_lines(found: Status) -> list[str]:
    told, fault = found.certificate, found.certificate_fault
    if fault is not None:
        return [f"TLS       {fault} [{fault.code}]", f"          {fault.remedy}"]
    if told is None:
        return ["TLS       none: plain HTTP"]
    lines = [f"TLS       {', '.join(told.names) or told.subject}, until {format_time(told.not_after)}"]
    if told.days_left < 0:
        lines.append(f"          warning: expired {-told.days_left} days ago; put a new one in place: ao tls --help")
    elif told.days_left <= WARN_DAYS:
        lines.append(f"          warning: {told.days_left} days left; put a new one in place, then: ao tls reload")
    return lines
