"""`ao-vendor time`: vouch for the hour at a site whose clock went wild."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from licensing.vendor.command import FILE, Desk, Moment, reporting, show_delivered, unlocking
from licensing.vendor.operations_time import issue_time_token
from licensing.vendor.unlock import Unlock


@click.group()
def time() -> None:
    """Vouch for the hour."""


@time.command()
@click.argument("request", type=FILE)
@click.option("--at", type=Moment(), help="The hour to vouch for.  [default: now]")
@click.option("--out", type=FILE, required=True, help="Where to write the time token.")
@unlocking
@reporting
@click.pass_obj
def issue(desk: Desk, *, request: Path, at: datetime | None, out: Path, unlock: Unlock, as_json: bool) -> None:
    """Answer the challenge in a site's REQUEST with a time token.

    The token is good for that site and that challenge, once. Check the hour of this host first: the site will believe
    it.

    \b
    Example:
      ao-vendor time issue site-request.signed.json --out time-plant-7.signed.json
    """
    delivered = issue_time_token(desk.home, request, out, at=at, unlock=unlock, now=desk.now)
    show_delivered(f"The time token for site {delivered.name}", delivered, {"site": delivered.name}, as_json=as_json)
