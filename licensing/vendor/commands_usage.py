"""`ao-vendor usage`: take in the usage files that sites carry here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from licensing.shown import shown
from licensing.usage import COUNT_FIELDS
from licensing.vendor.command import (
    FILE,
    FOLDER,
    Desk,
    print_json,
    print_table,
    reporting,
    show_refusal,
    unlocking,
)
from licensing.vendor.errors import UsageNotAccepted
from licensing.vendor.findings import Taken
from licensing.vendor.operations import Reconciled, reconcile_usage
from licensing.vendor.unlock import Unlock

SHOWN_COUNTS = ("requests", "errors", "prompt_tokens", "completion_tokens", "cached_tokens")


@click.group()
def usage() -> None:
    """Reconcile usage files."""


@usage.command()
@click.argument("files", type=FILE, nargs=-1, required=True)
@click.option("--receipts", type=FOLDER, default=".", show_default=True, help="The folder to write receipts to.")
@unlocking
@reporting
@click.pass_obj
def reconcile(
    desk: Desk,
    *,
    files: tuple[Path, ...],
    receipts: Path,
    unlock: Unlock,
    as_json: bool,
) -> None:
    """Check usage FILES, given in any order, and answer each site with a receipt.

    Exits with 0 when every file is accepted or was accepted before, and with 91 when any is not. Given the same files
    again, it changes nothing and writes the same receipts.

    \b
    Example:
      ao-vendor usage reconcile /media/usb/usage-*.signed.json --receipts /media/usb
    """
    done = reconcile_usage(desk.home, files, receipts, unlock=unlock, now=desk.now)
    if as_json:
        print_json(_as_dict(files, done))
    else:
        _print(files, done)
    if not done.outcome.all_good:
        refused = sum(not finding.good for finding in done.outcome.findings)
        refusal = UsageNotAccepted(f"{refused} of {len(files)} usage files were not accepted.")
        if not as_json:
            show_refusal(refusal, as_json=False)
        raise click.exceptions.Exit(refusal.exit_code)


def totals(taken: Iterable[Taken]) -> list[dict[str, Any]]:
    """What these files add up to, by site, team and model."""
    sums: dict[tuple[str, str, str], dict[str, int]] = {}
    for each in taken:
        for row in each.usage.rows:
            counts = sums.setdefault((each.usage.site, row.team, row.model), dict.fromkeys(COUNT_FIELDS, 0))
            for name in COUNT_FIELDS:
                counts[name] += getattr(row.counts, name)
    return [
        {"site": site, "team": team, "model": model, **sums[site, team, model]} for site, team, model in sorted(sums)
    ]


def _as_dict(files: tuple[Path, ...], done: Reconciled) -> dict[str, Any]:
    return {
        "files": [
            {
                "file": str(file),
                "site": finding.site,
                "seq": finding.seq,
                "verdict": finding.verdict.value,
                "evidence": finding.evidence,
            }
            for file, finding in zip(files, done.outcome.findings, strict=True)
        ],
        "totals": totals(done.outcome.taken),
        "receipts": [
            {"site": receipt.site, "epoch": receipt.epoch, "seq": receipt.seq, "file": str(path)}
            for receipt, path in done.receipts
        ],
    }


def _print(files: tuple[Path, ...], done: Reconciled) -> None:
    sums = totals(done.outcome.taken)
    if sums:
        columns = ("site", "team", "model", *SHOWN_COUNTS)
        print_table("Newly accepted usage", columns, [tuple(row[column] for column in columns) for row in sums])
    for file, finding in zip(files, done.outcome.findings, strict=True):
        click.echo(f"{shown(str(file))}: {finding.verdict.value}. {shown(finding.evidence, 400)}")
    for _, path in done.receipts:
        click.echo(f"Receipt: {shown(str(path))}")
