"""`ao officer new|show`."""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from appliance.cli.face import Face, Result, command
from appliance.cli.passphrase import ask_passphrase, passphrase_options
from appliance.operations.officer import create_officer_key, show_officer_key
from licensing.keyfile import KDF, KeyFile
from licensing.shown import shown

FILE = click.Path(path_type=Path)


def add_to(main: click.Group) -> None:
    @main.group("officer")
    def group() -> None:
        """Keys of the officers who sign this customer's configs."""

    @command(group, "new", example="ao officer new --label alice --out alice.key")
    @click.option("--label", required=True, help="Who keeps it.")
    @click.option("--out", type=FILE, required=True, help="Where to write the key file.")
    @click.option(
        "--kdf",
        type=click.Choice(sorted(KDF)),
        default="moderate",
        show_default=True,
        help="What a guess at the passphrase costs: 64 MiB, 256 MiB or 1 GiB of memory.",
    )
    @passphrase_options
    def new(
        _: Face, *, label: str, out: Path, kdf: str, passphrase_file: Path | None, passphrase_fd: int | None
    ) -> Result:
        """Make an officer's key, in a file of its own under a passphrase.

        No site is needed. Hand on the public half alone: ao officer show FILE --public-out PUBLIC.
        """
        ask = ask_passphrase(passphrase_file, passphrase_fd, confirm=True)
        return _shown(create_officer_key(out, label, ask, random=secrets.token_bytes, limits=KDF[kdf]), out)

    @command(group, "show", example="ao officer show alice.key --public-out alice.pub")
    @click.argument("file", type=FILE)
    @click.option("--public-out", type=FILE, help="Write the public half to this file, for the vendor.")
    def show(_: Face, *, file: Path, public_out: Path | None) -> Result:
        """Show whose key FILE is; no passphrase is needed.

        The vendor names the officer in the licence by the file that --public-out writes. Compare the key id with the
        vendor by another way than the one the file takes.
        """
        return _shown(show_officer_key(file, public_out), file)


def _shown(found: KeyFile, file: Path) -> Result:
    data = {
        "label": found.label,
        "key": found.public_key.keyid,
        "algorithm": found.algorithm,
        "public": found.model_dump(mode="json")["public"],
        "file": str(file),
    }
    return Result(data, [f"{name + ':':11}{shown(value, 400)}" for name, value in data.items()])
