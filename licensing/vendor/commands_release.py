"""`ao-vendor release`: sign what was built."""

from __future__ import annotations

from pathlib import Path

import click

from licensing.vendor.command import FILE, Desk, reporting, show_delivered, unlocking
from licensing.vendor.operations_release import sign_release
from licensing.vendor.unlock import Unlock


@click.group()
def release() -> None:
    """Sign releases."""


@release.command()
@click.argument("description", type=FILE)
@click.option("--out", type=FILE, required=True, help="Where to write the signed release.")
@unlocking
@reporting
@click.pass_obj
def sign(desk: Desk, *, description: Path, out: Path, unlock: Unlock, as_json: bool) -> None:
    """Sign the release in DESCRIPTION, which the build wrote beside its files.

    Every file is read and held against the description first. Where the role release needs more signatures than this
    home can give, the file is unfinished until others have signed it: ao-vendor sign add.

    \b
    Example:
      ao-vendor release sign dist/release.unsigned.json --out dist/release.json
    """
    delivered = sign_release(desk.home, description, out, unlock=unlock)
    show_delivered(f"Release {delivered.name}", delivered, {"version": delivered.name}, as_json=as_json)
