"""`ao-vendor sign`: one person's signature on a document that several sign, and who is still missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from licensing.shown import shown
from licensing.vendor.command import FILE, Desk, print_json, reporting, unlocking
from licensing.vendor.countersign import Quorum, progress
from licensing.vendor.operations_sign import Paper, add_to, claims_to_sign, status_of
from licensing.vendor.signers import names_of
from licensing.vendor.unlock import Unlock

TRUST = click.option(
    "--trust",
    "trusts",
    type=FILE,
    multiple=True,
    help="A version of the vendor's trust, from the first on; may be given several times.  [default: the home's]",
)


LICENCE = click.option(
    "--licence", type=FILE, help="The site's licence, where it hands configs to the customer's officers."
)


@click.group()
def sign() -> None:
    """Sign together with others."""


@sign.command()
@click.argument("file", type=FILE)
@click.option("--key", required=True, help="A key file, a label of the home's, or a token's pkcs11: URI.")
@TRUST
@LICENCE
@click.option("--out", type=FILE, help="Where to write it.  [default: FILE, or its finished name once all have signed]")
@click.option("--yes", is_flag=True, help="Agree beforehand to what will be shown.")
@unlocking
@reporting
@click.pass_obj
def add(
    desk: Desk,
    *,
    file: Path,
    key: str,
    trusts: tuple[Path, ...],
    licence: Path | None,
    out: Path | None,
    yes: bool,
    unlock: Unlock,
    as_json: bool,
) -> None:
    """Add one signature to FILE: a trust proposal, licence, config, receipt, time token or release.

    Shows first what is signed, and asks. Nothing but the file and the key is needed; with a home, or with --trust, it
    is also shown what differs from the version before, and who is missing. The signatures that are there stay.

    \b
    Example:
      ao-vendor sign add trust-2.proposed.json --key alice.key --trust trust.json
    """

    def agree(paper: Paper) -> bool:
        if not (as_json and yes):
            _print(paper, err=as_json)
        return yes or _confirmed()

    signed = add_to(file, key, out=out, home=desk.home, trusts=trusts, licence=licence, unlock=unlock, agree=agree)
    if as_json:
        print_json(_as_dict(signed.paper) | {"signed_with": signed.key, "file": str(signed.file)})
        return
    click.echo(f"Signed with key {signed.key[:12]}: {shown(str(signed.file))}")
    _print_quorums(signed.paper)


@sign.command()
@click.argument("file", type=FILE)
@TRUST
@LICENCE
@reporting
@click.pass_obj
def status(desk: Desk, *, file: Path, trusts: tuple[Path, ...], licence: Path | None, as_json: bool) -> None:
    """Show who has signed FILE, and how many are missing for which role.

    \b
    Example:
      ao-vendor sign status licence.unfinished.json --trust trust.json --trust trust-2.json
    """
    paper = status_of(file, home=desk.home, trusts=trusts, licence=licence)
    if as_json:
        print_json(_as_dict(paper))
        return
    _print(paper)
    labels = names_of(desk.home.keys)
    for keyid, genuine in claims_to_sign(paper):
        standing = "genuine" if genuine else "not one that counts here"
        name = f" ({shown(labels[keyid])})" if keyid in labels else ""
        click.echo(f"Signature of {shown(keyid[:12])}{name}: {standing}")
    _print_quorums(paper)


def _confirmed() -> bool:
    try:
        return click.confirm("Sign it?", err=True)
    except click.Abort:
        return False


def _print(paper: Paper, *, err: bool = False) -> None:
    described = paper.described
    click.echo(f"{described.kind}, serial {described.serial}", err=err)
    click.echo(f"  {'digest:':18}{described.digest}", err=err)
    for name, value in described.facts:
        click.echo(f"  {name + ':':18}{shown(value, 400)}", err=err)
    if described.trust is None or described.serial == 1:
        return
    if paper.changes is None:
        click.echo("  The version before it is not known here; give it with --trust to see what differs.", err=err)
    for change in paper.changes or ():
        click.echo(f"  * {shown(change, 400)}", err=err)


def _print_quorums(paper: Paper) -> None:
    if paper.complete is None:
        click.echo("Who is missing cannot be said without the vendor's trust documents (--trust).")
    for quorum in paper.quorums:
        missing = f"{quorum.missing} more needed" if quorum.missing else "complete"
        of = "".join(f", {still} of them by {algorithm}" for algorithm, still in sorted(quorum.missing_of.items()))
        click.echo(f"Role {quorum.role}, {quorum.asked_by}: {progress(quorum)}, {missing}{of}.")
    if paper.described.kind == "config" and any(each.licence is None and each.missing for each in paper.quorums):
        click.echo(
            "Where the site's licence hands configs to the customer's officers, name it to count them: --licence."
        )


def _as_dict(paper: Paper) -> dict[str, Any]:
    described = paper.described
    return {
        "kind": described.kind,
        "serial": described.serial,
        "digest": described.digest,
        "facts": [{"name": name, "value": value} for name, value in described.facts],
        "changes": None if paper.changes is None else list(paper.changes),
        "signatures": [{"key": keyid, "genuine": genuine} for keyid, genuine in claims_to_sign(paper)],
        "quorums": [quorum_as_dict(each) for each in paper.quorums],
        "complete": paper.complete,
    }


def quorum_as_dict(quorum: Quorum) -> dict[str, Any]:
    return {
        "role": quorum.role,
        "trust": quorum.version,
        "licence": quorum.licence,
        "threshold": quorum.threshold,
        "signed": list(quorum.signed),
        "waiting": list(quorum.waiting),
        "missing": quorum.missing,
        "missing_of": dict(quorum.missing_of),
    }
