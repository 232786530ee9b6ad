"""`ao usage show|seal|export|prove|check-proof`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from appliance.cli.face import Face, Result, command, table
from appliance.errors import NotInitialised
from appliance.ledger.copies import former_files
from appliance.ledger.seal import Sealed, sealed_files
from appliance.operations.usage import (
    CLOCK_LEAD,
    check_proof,
    export_usage,
    held_back,
    key_in_request,
    look_into_usage_file,
    open_usage_file,
    own_key,
    prove_exchange,
    seal_due,
    seal_now,
    unacknowledged_files,
    uses,
)
from licensing.algorithms import PublicKey
from licensing.document import format_time
from media.writer import write_document

_request_option = click.option(
    "--request", type=click.Path(path_type=Path), help="The request of the site that signed it (default: this site)."
)


def add_to(main: click.Group) -> None:
    @main.group("usage")
    def group() -> None:
        """What was used, sealed into files for the vendor."""

    @command(group, "show", example="ao usage show usage-2026-11-23.signed.json")
    @click.argument("file", required=False, type=click.Path(path_type=Path))
    @_request_option
    def show(face: Face, *, file: Path | None, request: Path | None) -> Result:
        """Show usage that the vendor has not acknowledged; or, given a FILE, exactly what it tells the vendor.

        A FILE is shown on any machine: all that is signed, and nothing else leaves in it. Where there is no site, its
        signature is held against --request; without that too, it is shown unchecked and says so.
        """
        if file is not None:
            return _shown(face, file, request)
        with face.site() as site:
            rows = [asdict(each) for each in uses(site, face.now)]
            files = [_file(each) for each in unacknowledged_files(site)]
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
            known = [*former_files(site.database, everything=True), *sealed_files(site.database)]
            digests = {each.name: each.digest for each in known}
        files = [{"file": str(w.path), "digest": digests[w.path.name], "bytes": w.size} for w in written]
        return Result(
            {"files": files},
            [*(f"{each['file']}  {each['digest']}" for each in files), "Written and read back: safe to remove."],
        )

    @command(group, "prove", example="ao usage prove --request-id req_019d… --out proof.json")
    @click.option("--request-id", required=True, help="The x-request-id of the call.")
    @click.option("--out", type=click.Path(path_type=Path), default=Path("usage-proof.json"), show_default=True)
    def prove(face: Face, *, request_id: str, out: Path) -> Result:
        """Write the proof that one call is counted in a sealed usage file. It shows that call's entry and no other."""
        with face.site() as site:
            proof = prove_exchange(site, request_id)
        write_document(out, proof.to_bytes())
        data = {"file": str(out), "seq": proof.seq, "digest": proof.file, "entry": proof.entry}
        return Result(data, [f"{out}: the call is in usage file {proof.seq}, {proof.file}."])

    @command(group, "check-proof", example="ao usage check-proof proof.json --file usage-2026-11-23.signed.json")
    @click.argument("proof", type=click.Path(path_type=Path))
    @click.option("--file", required=True, type=click.Path(path_type=Path), help="The usage file that it is about.")
    @_request_option
    def check(face: Face, *, proof: Path, file: Path, request: Path | None) -> Result:
        """Check a proof against the signed usage file that it names. Needs no ledger, and no network."""
        if (key := _key(face, request)) is None:
            raise NotInitialised("There is no site here.", remedy="Name the signing site's request: --request FILE.")
        held = check_proof(proof, file, key)
        entry = json.dumps(held.entry, indent=2, sort_keys=True).splitlines()
        return Result(
            {"holds": True, "seq": held.seq, "entry": held.entry},
            [f"The proof holds: usage file {held.seq} of {held.site} counts this call:", *entry],
        )


def _key(face: Face, request: Path | None) -> PublicKey | None:
    """Whose files are looked at: the named site's, else the one that is here."""
    if request is not None:
        return key_in_request(request)
    try:
        with face.site() as site:
            return own_key(site)
    except NotInitialised:
        return None


def _shown(face: Face, file: Path, request: Path | None) -> Result:
    key = _key(face, request)
    usage = look_into_usage_file(file) if key is None else open_usage_file(file, key).claims
    data = usage.model_dump(mode="json", by_alias=True, exclude_none=True)
    lines = json.dumps(data, indent=2).splitlines()
    if key is None:
        click.echo("The signature is NOT checked: there is no site here. Name its request: --request FILE.", err=True)
    return Result(data, lines)


def _file(sealed: Sealed) -> dict[str, Any]:
    return {
        "seq": sealed.seq,
        "name": sealed.name,
        "start": format_time(sealed.period.start),
        "end": format_time(sealed.period.end),
        "digest": sealed.digest,
    }
