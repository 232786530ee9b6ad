"""`ao usage show|seal|export`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from appliance.cli.face import Face, Result, command, table
from appliance.ledger.seal import Sealed, sealed_files
from appliance.operations.usage import (
    acknowledged_seq,
    export_usage,
    held_back,
    read_usage_file,
    seal_due,
    seal_now,
    uses,
)
from licensing.document import format_time
from licensing.usage import COUNT_FIELDS


def add_to(main: click.Group) -> None:
    @main.group("usage")
    def group() -> None:
        """What was used, sealed into files for the vendor."""

    @command(group, "show", example="ao usage show usage-2026-11-23.signed.json")
    @click.argument("file", required=False, type=click.Path(path_type=Path))
    def show(face: Face, *, file: Path | None) -> Result:
        """Show usage that the vendor has not acknowledged; or, given a FILE, exactly what it tells the vendor."""
        with face.site() as site:
            if file is not None:
                usage = read_usage_file(site, file)
                data = usage.model_dump(mode="json", by_alias=True)
                return Result(data, _tree(data))
            rows = [asdict(each) for each in uses(site, face.now)]
            files = [_file(each) for each in sealed_files(site.database, acknowledged_seq(site))]
        header = ("team", "model", "requests", "errors", "interrupted", "prompt_tokens", "completion_tokens")
        lines = table(header, [[row[name] for name in header] for row in rows])
        lines += ["", "Sealed and not acknowledged:"] if files else []
        lines += [f"  {each['name']}  {each['start']} to {each['end']}" for each in files]
        return Result({"uses": rows, "files": files}, lines)

    @command(group, "seal", example="ao usage seal --now")
    @click.option("--now", "now_too", is_flag=True, help="Also close the day that is running, at this second.")
    @click.option("--trust-clock", is_flag=True, help="Believe this host's clock, however far ahead it is.")
    def seal(face: Face, *, now_too: bool, trust_clock: bool) -> Result:
        """Seal every day that is over into its usage file.

        A running gateway does this by itself after midnight (UTC). A day is sealed for ever; where this host's clock is
        far ahead of all that is known, the days in between are held back until you say that the clock is right.
        """
        with face.site() as site:
            act = seal_now if now_too else seal_due
            sealed = act(site, face.now, trust_clock=trust_clock)
            held = held_back(site, face.now)
        files = [_file(each) for each in sealed]
        lines = [f"{each['name']}  {each['start']} to {each['end']}  {each['digest']}" for each in files]
        if held:
            lines.append(f"{held} days are held back: is {face.now:%Y-%m-%d %H:%M} UTC right? Then: --trust-clock.")
        return Result({"files": files, "held_back": held}, lines or ["No period is due."])

    @command(group, "export", example="ao usage export --out /media/usb")
    @click.option("--out", type=click.Path(path_type=Path), default=Path(), show_default="this folder")
    @click.option("--all", "everything", is_flag=True, help="Also what the vendor has acknowledged.")
    def export(face: Face, *, out: Path, everything: bool) -> Result:
        """Write the sealed usage files that the vendor has not acknowledged. Read back and compared."""
        with face.site() as site:
            written = export_usage(site, out, everything=everything)
        return Result(
            {"files": [{"file": str(each.path), "digest": each.sha256, "bytes": each.size} for each in written]},
            [*(f"{each.path}  {each.sha256}" for each in written), "Written and read back: safe to remove."],
        )


def _file(sealed: Sealed) -> dict[str, Any]:
    return {
        "seq": sealed.seq,
        "name": sealed.name,
        "start": format_time(sealed.period.start),
        "end": format_time(sealed.period.end),
        "digest": sealed.digest,
    }


def _tree(data: dict[str, Any]) -> list[str]:
    """A usage file for the officer who signs for it: every member, in reading order."""
    lines = [f"{name:15} {data[name]}" for name in data if not isinstance(data[name], dict | list)]
    lines.append(f"{'period':15} {data['period']['start']} to {data['period']['end']}")
    lines.append(f"{'tree':15} {data['tree']['size']} exchanges, {data['tree']['root']}")
    for row in data["rows"]:
        counts = ", ".join(f"{name} {row['counts'][name]}" for name in COUNT_FIELDS if row["counts"][name])
        lines.append(
            f"row             {row['org']}/{row['team']}/{row['key']} {row['model']} by {row['provider']}: {counts}"
        )
    for name in ("registers", "deltas", "admissions", "clock", "runs", "last_receipt", "anomalies"):
        lines.append(f"{name:15} {data[name]}")
    return lines
