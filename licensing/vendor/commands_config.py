"""`ao-vendor config`: sign a site's config."""

from __future__ import annotations

from pathlib import Path

import click

from licensing.shown import shown
from licensing.vendor.command import FILE, Desk, reporting, show_delivered, unlocking
from licensing.vendor.operations import sign_config_for
from licensing.vendor.unlock import Unlock


@click.group()
def config() -> None:
    """Sign configs."""


@config.command()
@click.argument("file", type=FILE)
@click.option("--site", required=True, help="The one site that it is for.")
@click.option("--out", type=FILE, required=True, help="Where to write the signed config.")
@unlocking
@reporting
@click.pass_obj
def sign(
    desk: Desk,
    *,
    file: Path,
    site: str,
    out: Path,
    unlock: Unlock,
    as_json: bool,
) -> None:
    """Sign the config in FILE for a site.

    A head (kind, schema, serial, issued_at, site) is put before the text where it has none. The text itself is left as
    it is, and stays readable YAML with its signature in three comment lines at the end. Whether the site can use it, by
    its providers and its licence, is for the site to say: ao config diff FILE there, before it is imported.

    \b
    Example:
      ao-vendor config sign config.yaml --site plant-7 --out config.yaml.signed
    """
    delivered = sign_config_for(desk.home, file, site, out, unlock=unlock, now=desk.now)
    show_delivered(f"The signed config for site {shown(site)}", delivered, {"site": site}, as_json=as_json)
    if not as_json:
        click.echo("The site checks what it asks for: ao config diff FILE there, before ao config import FILE.")
