"""`ao licence import|show|verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from appliance.cli.face import Face, Result, command
from appliance.operations.licence import (
    Judged,
    activate_licence,
    consequences,
    examine_licence,
    standing,
    verify_licence,
)
from licensing.document import format_time
from licensing.licence import Licence
from licensing.ratchet import Arrival
from licensing.standing import Standing


def add_to(main: click.Group) -> None:
    @main.group("licence")
    def group() -> None:
        """What this site may do, and until when."""

    @command(group, "import", example="ao licence import /media/usb/licence.json")
    @click.argument("file", type=click.Path(path_type=Path))
    @click.option("--plan", is_flag=True, help="Show what would stop working, and change nothing.")
    @click.option("--yes", is_flag=True, help="Do not ask, whatever stops working.")
    def import_(face: Face, *, file: Path, plan: bool, yes: bool) -> Result:
        """Put a licence in force. Where something would stop working with it, that is told and asked about first.

        --plan only tells. A running gateway takes the licence up at once.
        """
        with face.site() as site:
            if plan:
                judged = verify_licence(site, file, face.now)
                told = consequences(site, judged)
                return Result(
                    {**_judged(judged), "consequences": told},
                    [*_lines(judged.standing), *(f"  - {each}" for each in told or ["Nothing would stop working."])],
                    judged.standing.terms.exit_code,
                )
            candidate = examine_licence(site, file, face.now)
            stops = candidate.consequences
            if stops and not yes and (declined := _declined(face, candidate.judged, stops)) is not None:
                return declined
            judged = activate_licence(site, candidate, face.now)
        done = "was already in force" if judged.arrival is Arrival.SAME else "is in force"
        return Result(
            {**_judged(judged), "consequences": list(stops)},
            [
                f"Licence {judged.licence.licence}, serial {judged.licence.serial}, {done}.",
                *_lines(judged.standing),
                *(f"  - {each}" for each in stops if yes),
            ],
        )

    @command(group, "show", example="ao licence show")
    def show(face: Face) -> Result:
        """Show the licence in force and the rung this site stands on. Exit code: that rung's (0, or 20-28)."""
        with face.site() as site:
            now_at = standing(site, face.now)
        lines = _lines(now_at)
        if now_at.licence:
            lines += _claims(now_at.licence)
        return Result(_standing(now_at), lines, now_at.terms.exit_code)

    @command(group, "verify", example="ao licence verify licence.json")
    @click.argument("file", type=click.Path(path_type=Path))
    def verify(face: Face, *, file: Path) -> Result:
        """Check a licence against this site without importing it. Exit code: the rung's (0, or 20-28)."""
        with face.site() as site:
            judged = verify_licence(site, file, face.now)
        return Result(
            _judged(judged),
            ["The signature is good.", *_lines(judged.standing), *_claims(judged.licence)],
            judged.standing.terms.exit_code,
        )


def _declined(face: Face, judged: Judged, stops: tuple[str, ...]) -> Result | None:
    """Tells what would stop working, and asks; None where the operator agrees."""
    data = {**_judged(judged), "consequences": list(stops), "arrival": "not agreed"}
    if face.as_json:
        # Asking for JSON is no consent: a script that only reads must not take anything away.
        return Result(data, [], 1)
    for line in (*_lines(judged.standing), *(f"  - {each}" for each in stops)):
        click.echo(line)
    return None if click.confirm("Put this licence in force?") else Result(data, ["Nothing was changed."], 1)


def _judged(judged: Judged) -> dict[str, Any]:
    return {**_standing(judged.standing), "arrival": judged.arrival.value, "digest": judged.digest}


def _standing(standing: Standing) -> dict[str, Any]:
    return {
        "rung": standing.rung.value,
        "code": standing.code,
        "serves": standing.terms.serves,
        "sentence": standing.sentence,
        "remedy": standing.terms.remedy,
        "days_left": standing.days_left,
        "warnings": list(standing.warnings),
        "licence": standing.licence.model_dump(mode="json", by_alias=True) if standing.licence else None,
    }


def _lines(standing: Standing) -> list[str]:
    lines = [f"{standing.rung.value.upper()}: {standing.sentence}"]
    if standing.terms.exit_code or standing.rung.value in {"expiring", "grace"}:
        lines.append(f"  {standing.terms.remedy}")
    return lines + [f"  Warning: {warning}" for warning in standing.warnings]


def _claims(licence: Licence) -> list[str]:
    caps = licence.caps
    return [
        f"  licence    {licence.licence} (serial {licence.serial}) for {licence.customer}",
        f"  edition    {licence.edition}" + (f" with {', '.join(licence.add_ons)}" if licence.add_ons else ""),
        f"  dates      {format_time(licence.not_before)} to {format_time(licence.expires_at)}, "
        f"{licence.grace_days} days of grace",
        f"  caps       {caps.rpm or 'unlimited'} requests, {caps.tpm or 'unlimited'} tokens a minute",
        f"  models     {', '.join(licence.models)}",
    ]
