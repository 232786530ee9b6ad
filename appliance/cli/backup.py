"""`ao backup`, `ao restore`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from appliance.cli.face import Face, Result, command
from appliance.cli.passphrase import ask_passphrase, passphrase_options
from appliance.operations.backup import back_up, restore
from appliance.operations.backup_outside import lacking_secrets, outside_of, wanted_secrets
from licensing.document import format_time

_QUESTION = "Passphrase of the backup"


def add_to(main: click.Group) -> None:
    @command(main, "backup", example="ao backup /mnt/backup/acme-berlin.backup")
    @click.argument("file", type=click.Path(path_type=Path))
    @passphrase_options
    def backup_(face: Face, *, file: Path, passphrase_file: Path | None, passphrase_fd: int | None) -> Result:
        """Write the whole state (keys, documents, ledger) into one encrypted FILE. The gateway may run meanwhile.

        It is read back before it gets its name. Whoever has the file and its passphrase has this site's key. What else
        another host would need is not in it, and is named: this host's settings, and files that hold secrets.
        """
        ask = ask_passphrase(passphrase_file, passphrase_fd, confirm=True, question=_QUESTION)
        with face.site() as site:
            done = back_up(site, file, ask().reveal(), face.now)
            names = wanted_secrets(site)
        found = outside_of(face.settings, face.settings_file, names, os.environ)
        return Result(
            {"file": str(done.file), "bytes": done.size, "members": list(done.members), "outside": found.as_dict()},
            [f"{done.file} is written and read back: {done.size} bytes.", *found.lines()],
        )

    @command(main, "restore", example="ao restore /mnt/backup/acme-berlin.backup --state-dir /var/lib/ao")
    @click.argument("file", type=click.Path(path_type=Path))
    @passphrase_options
    def restore_(face: Face, *, file: Path, passphrase_file: Path | None, passphrase_fd: int | None) -> Result:
        """Put a backup into an empty state folder, as a new epoch of the same site.

        No model calls are answered until the vendor has licensed the new epoch: carry the site request there, together
        with the usage files (ao usage export).
        """
        ask = ask_passphrase(passphrase_file, passphrase_fd, question=_QUESTION)
        done = restore(file, face.settings.state_dir, ask, face.now, by=face.by)
        with face.site() as site:
            lacking = lacking_secrets(site, face.secrets())
        return Result(
            {
                "site": done.site,
                "epoch": done.epoch,
                "predecessor": done.predecessor,
                "carried": done.carried,
                "made_at": format_time(done.made_at),
                "request": str(done.request),
                "secrets_lacking": None if lacking is None else list(lacking),
            },
            [
                f"Site {done.site} is back as of {format_time(done.made_at)}, in epoch {done.epoch} "
                f"after {done.predecessor}.",
                f"{done.carried} exchanges of the backup had not been sealed yet and will be counted in this epoch.",
                f"Carry {done.request} to the vendor, with what this writes: ao usage export.",
                *_lines(lacking),
            ],
        )


def _lines(lacking: tuple[str, ...] | None) -> list[str]:
    if lacking is None:
        return ["Which secrets the config asks this host for is known once it is believed here: ao status."]
    return (
        [f"The config asks this host for secrets that it does not have yet: {', '.join(lacking)}."] if lacking else []
    )
