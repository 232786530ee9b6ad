"""`ao ledger check|rebuild`."""

from __future__ import annotations

from dataclasses import asdict

import click

from appliance.cli.face import Face, Result, command
from appliance.errors import StateDamaged
from appliance.operations.ledger import damage, rebuild_ledger


def add_to(main: click.Group) -> None:
    @main.group("ledger")
    def group() -> None:
        """The record of every exchange: is it whole, and making it anew."""

    @command(group, "check", example="ao ledger check")
    def check(face: Face) -> Result:
        """Read the whole state database and say whether it is sound. Harmless while the gateway serves."""
        found = damage(face.settings.state_dir, face.by)
        if found is not None:
            raise StateDamaged(f"The state database is damaged: {found}.", where=str(face.settings.state_dir))
        return Result({"whole": True}, ["The state database is whole."])

    @command(group, "rebuild", example="ao ledger rebuild")
    def rebuild(face: Face) -> Result:
        """Make a damaged state database anew, from what can be read of it, the sealed files and the journal.

        The damaged one is kept beside it. Nothing that a sealed file counts is counted again. What could not be read
        is named here, and told to the vendor in the next usage file.
        """
        done = rebuild_ledger(face.settings.state_dir, face.now, face.by)
        if done is None:
            return Result({"whole": True}, ["The state database is whole; nothing was done."])
        lines = [
            f"Rebuilt: {done.files} sealed files, {done.entries} exchanges ({done.from_journal} from the journal).",
            *(f"Not all of {table!r} could be read: compare it with what you know." for table in done.unreadable),
            *(f"Usage file {seq} stands, but not all of its exchanges can be shown any more." for seq in done.short),
            *(f"Usage file {seq} stands, but its exchanges cannot be proven any more." for seq in done.unproven),
            f"The damaged database is kept in {done.kept}. Look at: ao status, ao keys list.",
        ]
        return Result({"whole": False, **asdict(done), "kept": str(done.kept)}, lines)
