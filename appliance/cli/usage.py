"""`ao usage show|seal|export`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from appliance.cli.face import Face, Result, command, table
from appliance.ledger.seal import Sealed, sealed_files
from appliance.operations.usage import (
    CLOCK_LEAD,
    acknowledged_seq,
    export_usage,
    held_back,
    read_usage_file,
    seal_due,
    seal_now,
    uses,
)
from licensing.document import format_time


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
                data = read_usage_file(site, file).model_dump(mode="json", by_alias=True, exclude_none=True)
                return Result(data, json.dumps(data, indent=2).splitlines())
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
            # What ended within this very second belongs to the period that is being closed.
            now = face.next_second() if now_too else face.now
            sealed = act(site, now, lead=None if trust_clock else CLOCK_LEAD)
            held = held_back(site, now)
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
            digests = {each.name: each.digest for each in sealed_files(site.database)}
        files = [{"file": str(w.path), "digest": digests[w.path.name], "bytes": w.size} for w in written]
        return Result(
            {"files": files},
            [*(f"{each['file']}  {each['digest']}" for each in files), "Written and read back: safe to remove."],
        )


def _file(sealed: Sealed) -> dict[str, Any]:
    return {
        "seq": sealed.seq,
        "name": sealed.name,
        "start": format_time(sealed.period.start),
        "end": format_time(sealed.period.end),
        "digest": sealed.digest,
    }
