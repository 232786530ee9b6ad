"""`ao trust import|show`, `ao time import`."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

import click

from appliance.cli.face import Face, Result, command
from appliance.operations.status import status
from appliance.operations.time import import_time_token
from appliance.operations.trust import import_trust, trust_in_force
from appliance.state.site import CHALLENGE_BYTES
from licensing.document import format_time
from licensing.ratchet import Arrival
from licensing.shown import shown


def add_to(main: click.Group) -> None:
    @main.group("trust")
    def group() -> None:
        """Whose signatures this site believes."""

    @command(group, "import", example="ao trust import /media/usb/trust-2.json /media/usb/trust-3.json")
    @click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
    def import_(face: Face, *, files: tuple[Path, ...]) -> Result:
        """Follow the vendor's trust to its next version, or several, one by one.

        A licence or config whose signers are no longer trusted stops with it: carry fresh ones on the same medium.
        """
        with face.site() as site:
            steps = import_trust(site, list(files), face.now)
            version = trust_in_force(site).serial
            found = status(site, face.now, time.monotonic(), face.settings.tls_certificate)
        return Result(
            {"steps": [{"version": s.version, "digest": s.digest, "arrival": s.arrival.value} for s in steps]},
            [
                *(f"Trust version {step.version} was known already." for step in steps if step.arrival is Arrival.SAME),
                f"Trust version {version} is in force.",
                *([] if found.standing.terms.serves else [f"Warning: {found.standing.sentence}"]),
                *([f"Warning: the config: {found.config_fault}"] if found.config_fault else []),
            ],
        )

    @command(group, "show", example="ao trust show")
    def show(face: Face) -> Result:
        """Show the trust in force: roles, thresholds, keys, revocations."""
        with face.site() as site:
            trust = trust_in_force(site)
        lines = [f"Trust of {shown(trust.vendor)}, version {trust.serial}, issued {format_time(trust.issued_at)}"]
        for name, role in trust.roles.items():
            lines.append(f"  {name:8} {role.threshold} of {len(role.keys)}, key epoch {role.epoch}")
            lines += [f"           {keyid[:16]}  {trust.keys[keyid].algorithm}" for keyid in role.keys]
        lines += [f"  revoked key {keyid[:16]}" for keyid in trust.revoked.keys]
        lines += [f"  revoked licence {shown(licence)}" for licence in trust.revoked.licences]
        return Result(trust.model_dump(mode="json", by_alias=True), lines)

    @main.group("time")
    def time_group() -> None:
        """Time without an authority."""

    @command(time_group, "import", example="ao time import /media/usb/time-acme-berlin.signed.json")
    @click.argument("file", type=click.Path(path_type=Path))
    def time_import(face: Face, *, file: Path) -> Result:
        """Repair the time floor with a token from the vendor, made for this site's last request. It works once."""
        with face.site() as site:
            done = import_time_token(site, file, now=face.now, entropy=secrets.token_bytes(CHALLENGE_BYTES))
        at = format_time(done.floor.at)
        ahead = [
            {"document": each.slot, "serial": each.serial, "issued_at": format_time(each.issued_at)}
            for each in done.ahead
        ]
        return Result(
            {"time_floor": at, "time_floor_before": format_time(done.before.at), "dated_later": ahead},
            [
                f"The time floor is {at} now; before, it was {format_time(done.before.at)} ({done.before.source}).",
                *(
                    f"Warning: the {each['document']} in force, serial {each['serial']}, is dated {each['issued_at']}, "
                    "later than that. One of the two is wrong: ask the vendor which, and for a fresh document."
                    for each in ahead
                ),
                f"This host's clock says {format_time(face.now)}. If it is not right, set it, for example: date -u -s "
                f"'{at.rstrip('Z').replace('T', ' ')}' (and the minutes since). Then run: ao status",
            ],
        )
