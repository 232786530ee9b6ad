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
    @click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
    def import_(face: Face, *, files: tuple[Path, ...]) -> Result:
        """Record that the vendor accepted usage up to a file. Several receipts are taken in the order given."""
        with face.site() as site:
            taken = [import_receipt(site, file, face.now) for file in files]
        return Result(
            {
                "receipts": [
                    {
                        "seq": receipt.seq,
                        "accepted_until": format_time(receipt.accepted_until),
                        "arrival": arrival.value,
                    }
                    for receipt, arrival in taken
                ]
            },
            [
                f"Usage is acknowledged up to {format_time(receipt.accepted_until)}, file {receipt.seq}"
                + (" (known already)." if arrival is Arrival.SAME else ".")
                for receipt, arrival in taken
            ],
        )
