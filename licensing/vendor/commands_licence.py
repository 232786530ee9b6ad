"""`ao-vendor licence`: issue one for a site's request, and list what was issued."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import click

from licensing.document import format_time
from licensing.edition import EDITIONS, EditionName
from licensing.envelope import parse
from licensing.licence import Licence
from licensing.shown import shown
from licensing.vendor.command import (
    FILE,
    FOREIGN_LIMIT,
    Desk,
    Moment,
    print_json,
    print_table,
    reporting,
    show_delivered,
    unlocking,
)
from licensing.vendor.describe import describe
from licensing.vendor.issue import Terms
from licensing.vendor.key_files import public_key_of
from licensing.vendor.operations import issue_licence
from licensing.vendor.unlock import Unlock
from media.reader import LIMITS, read_document


@click.group()
def licence() -> None:
    """Issue licences, and list those that were issued."""


@licence.command()
@click.argument("request", type=FILE)
@click.option("--customer", required=True, help="Who the licence is for.")
@click.option("--edition", type=click.Choice(list(EDITIONS)), required=True, help="The edition, with its caps.")
@click.option("--models", multiple=True, required=True, help="A pattern of model aliases; may be given several times.")
@click.option("--expires", type=Moment(), help="When it ends (or give --days).")
@click.option("--days", type=click.IntRange(min=1), help="For how many days it runs (or give --expires).")
@click.option("--not-before", type=Moment(), help="When it begins.  [default: now]")
@click.option("--licence", "licence_id", help="Its id; a renewal may keep the id.  [default: a new one]")
@click.option("--rpm", type=click.IntRange(min=1), help="Requests a minute for the site.  [default: the edition's]")
@click.option("--tpm", type=click.IntRange(min=1), help="Tokens a minute for the site.  [default: the edition's]")
@click.option("--seats", type=click.IntRange(min=1), help="How many people.  [default: unlimited]")
@click.option(
    "--grace-days",
    type=click.IntRange(0, 366),
    default=0,
    show_default=True,
    help="How long calls go on after the expiry.",
)
@click.option(
    "--clock-tolerance-seconds",
    type=click.IntRange(0, 7 * 86_400),
    default=300,
    show_default=True,
    help="How far the site's clock may be off.",
)
@click.option("--add-on", "add_ons", multiple=True, help="A feature beyond the edition; may be given several times.")
@click.option("--report-every-days", type=click.IntRange(1, 3660), help="How often usage must be reported.")
@click.option(
    "--when-overdue",
    type=click.Choice(["warn", "block"]),
    default="warn",
    show_default=True,
    help="What happens when it is not.",
)
@click.option(
    "--bind-hardware",
    type=click.IntRange(1, 32),
    help="Bind it to the hardware in the request, so many of whose facts must hold.  [default: not bound]",
)
@click.option(
    "--delegate-config",
    "delegate_config",
    multiple=True,
    help="An officer of the customer's who signs configs: a public key file; may be given several times.",
)
@click.option(
    "--delegate-threshold", type=click.IntRange(1, 32), help="How many of the officers must sign.  [default: 1]"
)
@click.option("--re-enrol", is_flag=True, help="Agree to a known site's new key or epoch.")
@click.option("--out", type=FILE, required=True, help="Where to write the licence.")
@unlocking
@reporting
@click.pass_obj
def issue(
    desk: Desk,
    *,
    request: Path,
    customer: str,
    edition: EditionName,
    models: tuple[str, ...],
    expires: datetime | None,
    days: int | None,
    not_before: datetime | None,
    licence_id: str | None,
    rpm: int | None,
    tpm: int | None,
    seats: int | None,
    grace_days: int,
    clock_tolerance_seconds: int,
    add_ons: tuple[str, ...],
    report_every_days: int | None,
    when_overdue: Literal["warn", "block"],
    bind_hardware: int | None,
    delegate_config: tuple[str, ...],
    delegate_threshold: int | None,
    re_enrol: bool,
    out: Path,
    unlock: Unlock,
    as_json: bool,
) -> None:
    """Issue a licence for the site whose REQUEST this is.

    The first request of a site enrols its key. Later, a request with another key or epoch is refused until a person
    agrees to it with --re-enrol.

    \b
    Example:
      ao-vendor licence issue site-request.signed.json --customer "Example Works" --edition team \\
        --models "gpt-*" --models "local/*" --days 365 --grace-days 14 --report-every-days 31 --out licence.json
    """
    if (expires is None) == (days is None):
        raise click.UsageError("Give either --expires DATE or --days N.")
    terms = Terms(
        customer=customer,
        edition=edition,
        models=models,
        add_ons=add_ons,
        expires=expires,
        days=days,
        not_before=not_before,
        licence=licence_id,
        rpm=rpm,
        tpm=tpm,
        seats=seats,
        grace_days=grace_days,
        clock_tolerance_seconds=clock_tolerance_seconds,
        report_every_days=report_every_days,
        when_overdue=when_overdue,
        bind_hardware=bind_hardware,
        delegate_config=tuple(public_key_of(each) for each in delegate_config),
        delegate_threshold=delegate_threshold,
    )
    delivered = issue_licence(
        desk.home,
        request,
        terms,
        out,
        re_enrol=re_enrol,
        unlock=unlock,
        now=desk.now,
        random=desk.random,
    )
    described = describe(parse(read_document(delivered.file, limit=LIMITS["licence"])))
    more = {"licence": delivered.name, "digest": described.digest, "facts": dict(described.facts)}
    show_delivered(f"Licence {delivered.name}", delivered, more, as_json=as_json)
    if not as_json:
        for name, value in (*described.facts, ("digest", described.digest)):
            click.echo(f"  {name + ':':12}{shown(value, FOREIGN_LIMIT)}")


@licence.command(name="list")
@reporting
@click.pass_obj
def list_licences(desk: Desk, *, as_json: bool) -> None:
    """List every licence that was issued.

    \b
    Example:
      ao-vendor licence list --json
    """
    desk.home.trust()
    with desk.home.memory() as memory, memory.transaction():
        documents = memory.licences()
    issued = [Licence.model_validate_json(parse(document).body) for document in documents]
    if as_json:
        print_json({"licences": [_row(each) for each in issued]})
        return
    columns = ("licence", "serial", "site", "epoch", "customer", "edition", "not_before", "expires_at")
    print_table("Licences", columns, [tuple(str(_row(each)[column]) for column in columns) for each in issued])


def _row(claims: Licence) -> dict[str, Any]:
    return {
        "licence": claims.licence,
        "serial": claims.serial,
        "site": claims.binding.site,
        "epoch": claims.binding.epoch,
        "key": claims.binding.key,
        "customer": claims.customer,
        "edition": claims.edition,
        "issued_at": format_time(claims.issued_at),
        "not_before": format_time(claims.not_before),
        "expires_at": format_time(claims.expires_at),
    }
