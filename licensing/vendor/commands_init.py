"""`ao-vendor init`: a new vendor's keys, trust document and memory."""

from __future__ import annotations

from pathlib import Path

import click

from licensing.keyfile import KDF
from licensing.shown import shown
from licensing.vendor.command import Desk, ask_passphrase, passphrase_options, print_json, reporting
from licensing.vendor.home import ROOT_KEYS_LIMIT, first_trust, make_home, make_keys, require_no_home


@click.command()
@click.option("--name", required=True, help="The vendor's name, as sites will read it in the trust document.")
@click.option(
    "--root-keys", type=click.IntRange(1, ROOT_KEYS_LIMIT), default=1, show_default=True, help="How many root keys."
)
@click.option(
    "--root-threshold",
    type=click.IntRange(1, ROOT_KEYS_LIMIT),
    default=1,
    show_default=True,
    help="How many of them must sign the next trust document.",
)
@click.option(
    "--kdf",
    type=click.Choice(sorted(KDF)),
    default="interactive",
    show_default=True,
    help="What a guess at the passphrase costs: 64 MiB, 256 MiB or 1 GiB of memory for each key file.",
)
@passphrase_options
@reporting
@click.pass_obj
def init(
    desk: Desk,
    *,
    name: str,
    root_keys: int,
    root_threshold: int,
    kdf: str,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
    as_json: bool,
) -> None:
    """Make the vendor's home: keys for each role, the trust document, an empty memory.

    Carry trust.json to each site, and read its digest aloud to the person who pins it there. An existing home is never
    changed.

    \b
    Example:
      ao-vendor --home ./vendor init --name "Example Systems" --root-keys 3 --root-threshold 2
    """
    require_no_home(desk.home.path)
    ask = ask_passphrase(passphrase_file, passphrase_fd, confirm=True)
    keys = make_keys(root_keys, desk.random)
    trust = first_trust(name, keys, root_threshold=root_threshold, now=desk.now)
    verified = make_home(desk.home.path, keys, trust, passphrase=ask(), limits=KDF[kdf], random=desk.random)
    if as_json:
        print_json(
            {
                "trust": str(desk.home.trust_file),
                "digest": verified.digest,
                "home": str(desk.home.path),
                "keys": {key.public_key.keyid: key.role for key in keys},
            }
        )
        return
    click.echo(f"Trust document: {shown(str(desk.home.trust_file))}")
    click.echo(f"Its digest:     {verified.digest}")
    click.echo(f"To read aloud:  {aloud(verified.digest)}")


def aloud(digest: str) -> str:
    """A digest in groups of four, as people read it to one another."""
    digits = digest.removeprefix("sha256:")
    return " ".join(digits[start : start + 4] for start in range(0, len(digits), 4))
