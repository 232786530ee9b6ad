"""`ao-vendor media`: what is carried to and from sites."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from licensing.shown import shown
from licensing.vendor.command import FILE, FOLDER, print_json, print_table, reporting, show_refusal
from licensing.vendor.operations_media import Seen, export_to_site, import_from_sites, inspect
from media.progress import ProgressLine


@click.group()
def media() -> None:
    """Carry documents to and from sites."""


@media.command("inspect")
@click.argument("path", type=FOLDER)
@reporting
def inspect_(*, path: Path, as_json: bool) -> None:
    """Show what a medium at PATH carries, for sites and from them. Nothing is believed, and nothing is changed.

    \b
    Example:
      ao-vendor media inspect /media/usb
    """
    with _progress(as_json=as_json) as progress:
        seen = inspect(path, progress=progress)
    if as_json:
        print_json({"files": [_as_dict(each) for each in seen]})
        return
    rows: list[tuple[str | int, ...]] = [
        (each.direction, each.site, each.name, each.size, each.digest or (each.refusal.code if each.refusal else ""))
        for each in seen
    ]
    print_table("On the medium", ("direction", "site", "file", "bytes", "digest"), rows)


@media.command("export")
@click.argument("path", type=FOLDER)
@click.argument("files", type=FILE, nargs=-1, required=True)
@click.option("--site", required=True, help="The site that they are for.")
@reporting
def export(*, path: Path, files: tuple[Path, ...], site: str, as_json: bool) -> None:
    """Put FILES (licence, config, trust, receipt, time token) onto the medium at PATH for a site.

    They get the names that `ao media exchange` looks for there; an older licence or config for the site is replaced.

    \b
    Example:
      ao-vendor media export /media/usb plant-7.licence.json plant-7.config.yaml.signed --site plant-7
    """
    with _progress(as_json=as_json) as progress:
        done = export_to_site(path, site, files, progress=progress)
    if as_json:
        rows = [{"file": str(each.path), "bytes": each.size, "digest": each.sha256} for each in done.written]
        print_json({"files": rows} | ({"error": done.failure.as_dict()} if done.failure else {}))
    else:
        for each in done.written:
            click.echo(f"{shown(str(each.path), 400)}  {each.sha256}")
    if done.failure is not None:
        if not as_json:
            show_refusal(done.failure, as_json=False)
        raise click.exceptions.Exit(done.failure.exit_code)
    if not as_json:
        click.echo("Written and read back: safe to remove.")


@media.command("import")
@click.argument("path", type=FOLDER)
@click.option("--into", type=FILE, required=True, help="The folder to copy to; each site gets one of its own in it.")
@reporting
def import_(*, path: Path, into: Path, as_json: bool) -> None:
    """Copy usage files and site requests from the medium at PATH, to be reconciled or answered here.

    \b
    Example:
      ao-vendor media import /media/usb --into incoming && ao-vendor usage reconcile incoming/*/usage-*
    """
    with _progress(as_json=as_json) as progress:
        taken = import_from_sites(path, into, progress=progress)
    if as_json:
        print_json({"files": [{**_as_dict(seen), "copy": str(copy) if copy else None} for seen, copy in taken]})
    else:
        for seen, copy in taken:
            what = shown(str(copy), 400) if copy else f"not copied [{seen.refusal.code if seen.refusal else ''}]"
            click.echo(f"{seen.site}  {seen.name}  {what}")
    refused = next((seen.refusal for seen, _ in taken if seen.refusal is not None), None)
    if refused is not None:
        raise click.exceptions.Exit(refused.exit_code)


@contextmanager
def _progress(*, as_json: bool) -> Iterator[ProgressLine]:
    """Told on a terminal alone."""
    line = ProgressLine(sys.stderr if sys.stderr.isatty() and not as_json else None, time.monotonic)
    try:
        yield line
    finally:
        line.clear()


def _as_dict(seen: Seen) -> dict[str, Any]:
    return {
        "direction": seen.direction,
        "site": seen.site,
        "kind": seen.kind,
        "file": seen.name,
        "bytes": seen.size,
        "digest": seen.digest,
        "error": seen.refusal.as_dict() if seen.refusal else None,
    }
