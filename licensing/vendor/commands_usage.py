"""`ao-vendor usage`: take in the usage files that sites carry here, and make of them what can be billed."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from licensing.shown import shown
from licensing.usage import COUNT_FIELDS
from licensing.vendor.billing.report import as_dict, doubts_as_dicts
from licensing.vendor.command import (
    FILE,
    FOLDER,
    Desk,
    Moment,
    print_json,
    print_table,
    reporting,
    show_refusal,
    unlocking,
)
from licensing.vendor.errors import SelftestFailed, UsageNotAccepted
from licensing.vendor.findings import Taken
from licensing.vendor.operations_report import rate_card_in, report_usage, write_report
from licensing.vendor.operations_selftest import run_cases
from licensing.vendor.operations_usage import Reconciled, Watch, reconcile_usage, unwatched, verify_proof
from licensing.vendor.plausibility import Doubt
from licensing.vendor.unlock import Unlock

SHOWN_COUNTS = ("requests", "errors", "prompt_tokens", "completion_tokens", "cached_tokens")
PROGRESS_FROM = 500
"""Fewer files than this are done before anybody wonders."""


@click.group()
def usage() -> None:
    """Reconcile usage files, and report what was used."""


@usage.command()
@click.argument("places", metavar="PLACES...", type=FILE, nargs=-1, required=True)
@click.option("--receipts", type=FOLDER, default=".", show_default=True, help="The folder to write receipts to.")
@unlocking
@reporting
@click.pass_obj
def reconcile(
    desk: Desk,
    *,
    places: tuple[Path, ...],
    receipts: Path,
    unlock: Unlock,
    as_json: bool,
) -> None:
    """Check usage files, given in any order, and answer each site with a receipt.

    PLACES are files, and folders in which every usage-*.signed.json is looked at, however deep: a medium as a whole.

    Exits with 0 when every file is accepted or was accepted before, and with 91 when any is not. Given the same files
    again, it changes nothing and writes the same receipts. Each verdict is explained in RECONCILING.md.

    \b
    Example:
      ao-vendor usage reconcile /media/usb --receipts /media/usb
    """
    watch = unwatched if as_json else _progress()
    done = reconcile_usage(desk.home, places, receipts, unlock=unlock, now=desk.now, watch=watch)
    refused = sum(not finding.good for finding in done.outcome.findings)
    refusal = UsageNotAccepted(f"{refused} of {len(done.files)} usage files were not accepted.") if refused else None
    if as_json:
        print_json(_as_dict(done) | ({"error": refusal.as_dict()} if refusal else {}))
    else:
        _print(done)
        if refusal:
            show_refusal(refusal, as_json=False)
    if refusal:
        raise click.exceptions.Exit(refusal.exit_code)


@usage.command()
@click.option("--from", "start", type=Moment(), required=True, help="The first day of the report.")
@click.option("--to", "end", type=Moment(), required=True, help="The day after its last.")
@click.option("--site", help="Only this site.")
@click.option("--rates", type=FILE, help="A rate card (YAML), to draft an invoice by. Without one: quantities only.")
@click.option("--out", type=FOLDER, default=".", show_default=True, help="The folder to write the report to.")
@reporting
@click.pass_obj
def report(
    desk: Desk, *, start: datetime, end: datetime, site: str | None, rates: Path | None, out: Path, as_json: bool
) -> None:
    """Write what was accepted in a period as CSV, JSON, and a page to print.

    \b
    Example:
      ao-vendor usage report --from 2027-03-01 --to 2027-04-01 --rates rates.yaml --out reports
    """
    card = None if rates is None else rate_card_in(rates)
    watch = unwatched if as_json else _progress()
    made = report_usage(desk.home, start.date(), end.date(), site=site, card=card, now=desk.now, watch=watch)
    written = write_report(made, out)
    if as_json:
        print_json(as_dict(made) | {"files": [str(path) for path in written]})
        return
    total = made.total
    click.echo(f"{total.requests:,} requests of {len(made.sites)} sites, {made.start} to {made.end} (not included).")
    if made.invoice is not None:
        click.echo(f"Draft of an invoice: {made.invoice.total:,f} {made.invoice.card.currency}.")
    _print_doubts(doubt for each in made.sites for doubt in each.doubts)
    for path in written:
        click.echo(f"Written: {shown(str(path))}")


@usage.command("verify-proof")
@click.argument("proof", type=FILE)
@click.option("--usage", "usage_file", type=FILE, required=True, help="The usage file that the exchange should be in.")
@reporting
@click.pass_obj
def verify_proof_of(desk: Desk, *, proof: Path, usage_file: Path, as_json: bool) -> None:
    """Check a site's PROOF that one exchange is counted in one usage file.

    Exits with 0 when it holds. The site makes it with: ao usage prove.

    \b
    Example:
      ao-vendor usage verify-proof proof.json --usage usage-2027-03-01.signed.json
    """
    shown_by, opened, accepted = verify_proof(desk.home, proof, usage_file)
    if as_json:
        print_json(
            {
                "holds": True,
                "site": shown_by.site,
                "seq": shown_by.seq,
                "file": opened.digest,
                "file_accepted": accepted,
                "entry": shown_by.entry,
                "row": shown_by.row.model_dump(),
            }
        )
        return
    click.echo(f"The exchange is in file {shown_by.seq} of site {shown_by.site} ({opened.digest[:19]}…).")
    click.echo("That file was accepted." if accepted else "That file is signed by the site and was NOT accepted here.")
    for name, value in sorted(shown_by.entry.items()):
        click.echo(f"  {shown(name)}: {shown(str(value))}")


@usage.command()
@click.option("--out", type=FILE, help="Also write the cases to this new folder, for a reconciler of your own.")
@reporting
def selftest(*, out: Path | None, as_json: bool) -> None:
    """Run this reconciler against the scenario cases: a restored database, a cloned appliance, a deleted day ...

    \b
    Example:
      ao-vendor usage selftest --out cases
    """
    results, written = run_cases(out)
    wrong = [name for name, differences in results if differences]
    refusal = SelftestFailed(f"{len(wrong)} of {len(results)} cases failed: {', '.join(wrong)}.") if wrong else None
    if as_json:
        cases = [{"case": name, "passed": not differences, "differences": differences} for name, differences in results]
        print_json({"cases": cases, "files_written": written} | ({"error": refusal.as_dict()} if refusal else {}))
    else:
        for name, differences in results:
            click.echo(f"{name}: {'; '.join(differences) if differences else 'as expected'}")
        if out is not None:
            click.echo(f"{written} files are in {shown(str(out))}")
        if refusal:
            show_refusal(refusal, as_json=False)
    if refusal:
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


def _as_dict(done: Reconciled) -> dict[str, Any]:
    return {
        "files": [
            {
                "file": str(file),
                "site": finding.site,
                "epoch": finding.epoch,
                "seq": finding.seq,
                "verdict": finding.verdict.value,
                "evidence": finding.evidence,
            }
            for file, finding in zip(done.files, done.outcome.findings, strict=True)
        ],
        "totals": totals(done.outcome.taken),
        "receipts": [
            {"site": receipt.site, "epoch": receipt.epoch, "seq": receipt.seq, "file": str(path)}
            for receipt, path in done.receipts
        ],
        "doubts": doubts_as_dicts(done.doubts),
    }


def _print(done: Reconciled) -> None:
    sums = totals(done.outcome.taken)
    if sums:
        columns = ("site", "team", "model", *SHOWN_COUNTS)
        print_table("Newly accepted usage", columns, [tuple(row[column] for column in columns) for row in sums])
    for file, finding in zip(done.files, done.outcome.findings, strict=True):
        click.echo(f"{shown(str(file))}: {finding.verdict.value}. {shown(finding.evidence, 400)}")
    _print_doubts(done.doubts)
    for _, path in done.receipts:
        click.echo(f"Receipt: {shown(str(path))}")


def _print_doubts(doubts: Iterable[Doubt]) -> None:
    for each in doubts:
        which = "" if each.seq is None else f", file {each.seq}"
        click.echo(f"To look at: {each.site}{which}: {each.code}. {each.sentence}")


def _progress() -> Watch:
    """A line that counts on, on a terminal; a pipe is told nothing."""
    if not sys.stderr.isatty():
        return unwatched

    def watch(what: str, done: int, total: int) -> None:
        last = bool(total) and done == total
        if (total or done) >= PROGRESS_FROM and (last or done % 50 == 0):
            click.echo(f"\r{done:,}{f' of {total:,}' if total else ''} files {what}", err=True, nl=last)

    return watch
