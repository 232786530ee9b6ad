"""`ao receipt import`."""

from __future__ import annotations

from pathlib import Path

import click

from appliance.cli.face import Face, Result, command
from appliance.operations.usage import import_receipt
from licensing.document import format_time
from licensing.ratchet import Arrival


def add_to(main: click.Group) -> None:
    @main.group("receipt")
    def group() -> None:
        """The vendor's acknowledgement of usage."""

    @command(group, "import", example="ao receipt import /media/usb/receipt-acme-berlin-12.signed.json")
    @click.argument("file", type=click.Path(path_type=Path))
    def import_(face: Face, *, file: Path) -> Result:
        """Record that the vendor accepted usage up to a file."""
        with face.site() as site:
            receipt, arrival = import_receipt(site, file, face.now)
        known = " (known already)" if arrival is Arrival.SAME else ""
        return Result(
            {"seq": receipt.seq, "accepted_until": format_time(receipt.accepted_until), "arrival": arrival.value},
            [f"Usage is acknowledged up to {format_time(receipt.accepted_until)}, file {receipt.seq}{known}."],
        )
