"""`ao-vendor`: the command line of the vendor's desk. The one place here that reads the clock and takes randomness."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path

import click

from licensing.vendor.command import FILE, Desk, Face
from licensing.vendor.commands_config import config
from licensing.vendor.commands_init import init
from licensing.vendor.commands_key import key
from licensing.vendor.commands_licence import licence
from licensing.vendor.commands_media import media
from licensing.vendor.commands_release import release
from licensing.vendor.commands_sign import sign
from licensing.vendor.commands_time import time
from licensing.vendor.commands_trust import trust
from licensing.vendor.commands_usage import usage
from licensing.vendor.home import Home
from licensing.version import __version__


@click.group(cls=Face, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--home",
    type=FILE,
    envvar="AO_VENDOR_HOME",
    default="vendor",
    show_default="./vendor",
    show_envvar=True,
    help="The folder with the vendor's keys, trust document and memory.",
)
@click.version_option(__version__, prog_name="ao-vendor")
@click.pass_context
def main(ctx: click.Context, *, home: Path) -> None:
    """Issue licences, sign configs, and reconcile usage for sites that nothing but a carried medium reaches.

    Secrets are asked for at a prompt, or read with --passphrase-file or --passphrase-fd (a token's PIN with --pin-file
    or --pin-fd); never from an argument or the environment.

    \b
    Example:
      ao-vendor --home ./vendor init --name "Example Systems"

    \b
    Exit codes:
      0      done
      1      an unexpected fault
      2      wrong use of the command
      10-16  a document that is malformed, not genuine, of another kind or for somebody else
      50-59  a file or medium that cannot be read or written, or YAML that is refused
      90     the vendor's desk cannot do this (see the message): signatures are missing, or nobody agreed
      91     a usage file was not accepted, or a case of the selftest was not judged as it must be
      92     the home is there already, or is not there, or its trust and its memory do not agree
      93     a private key is damaged, missing or not for this, or a token cannot be used
      94     the passphrase or PIN is wrong or missing
      95     a secret lies where others can reach it
      96     a site that is unknown, or presents another key or epoch, or a challenge that cannot be answered
      97     terms that make no licence, no trust document, or no invoice
      98     a config whose head or shape cannot be signed, or files that are not the release they are said to be
      99     the vendor's memory (vendor.db) cannot be used
    """
    if ctx.obj is None:
        ctx.obj = Desk(Home(home), datetime.now(UTC).replace(microsecond=0), secrets.token_bytes)


main.add_command(init)
main.add_command(licence)
main.add_command(config)
main.add_command(usage)
main.add_command(trust)
main.add_command(sign)
main.add_command(key)
main.add_command(time)
main.add_command(media)
main.add_command(release)
