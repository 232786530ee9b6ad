"""`ao-vendor trust`: show the vendor's trust document, propose its next version, adopt it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast, get_args

import click

from licensing.algorithms import SCHEMES
from licensing.document import Verified, format_time
from licensing.keyfile import KDF, Algorithm
from licensing.shown import shown
from licensing.trust import ROLES, RoleName, Trust
from licensing.vendor.command import FILE, Desk, print_json, reporting, unlocking
from licensing.vendor.commands_sign import quorum_as_dict
from licensing.vendor.countersign import sentence
from licensing.vendor.describe import says
from licensing.vendor.operations_trust import Asked, Rotated, adopt_trust, rotate_trust
from licensing.vendor.signers import names_of
from licensing.vendor.unlock import Unlock


@click.group()
def trust() -> None:
    """Show and rotate the keys that sites trust."""


@trust.command()
@reporting
@click.pass_obj
def show(desk: Desk, *, as_json: bool) -> None:
    """Show the trust's versions, and who may sign what under the newest.

    \b
    Example:
      ao-vendor trust show
    """
    chain = desk.home.trusts()
    labels = names_of(desk.home.keys)
    if as_json:
        print_json(_as_dict(chain, labels))
        return
    newest = chain[-1].claims
    for each in chain:
        click.echo(f"Version {each.claims.serial}: {format_time(each.claims.issued_at)}, {each.digest}")
    click.echo(f"Vendor: {shown(newest.vendor)}")
    for name, role in newest.roles.items():
        click.echo(f"Role {name}: {says(role, newest)}")
        for keyid in role.keys:
            revoked = ", revoked" if keyid in newest.revoked.keys else ""
            click.echo(f"  {keyid} {newest.keys[keyid].algorithm} {shown(labels.get(keyid, 'not here'))}{revoked}")
    for keyid in newest.revoked.keys:
        click.echo(f"Revoked key: {keyid}")
    for licence in newest.revoked.licences:
        click.echo(f"Revoked licence: {shown(licence)}")


@trust.command()
@click.option(
    "--add-key", "add", multiple=True, metavar="ROLE=KEY", help="Let a key sign for a role: a key file of any kind."
)
@click.option(
    "--new-key", "new", multiple=True, metavar="ROLE[:ALGORITHM]", help="Make a key in this home, and let it sign."
)
@click.option(
    "--retire-key",
    "retire",
    multiple=True,
    metavar="[ROLE=]KEY",
    help="Take a key, by its id or label, out of a role or of every role.",
)
@click.option("--threshold", "thresholds", multiple=True, metavar="ROLE=N", help="How many must sign for a role.")
@click.option(
    "--at-least",
    "at_least",
    multiple=True,
    metavar="ROLE:ALGORITHM=N",
    help="How many of them by this algorithm; 0 takes the demand away.",
)
@click.option("--revoke-key", "revoke_keys", multiple=True, metavar="KEY", help="Never believe this key again.")
@click.option("--revoke-licence", "revoke_licences", multiple=True, metavar="ID", help="Withdraw a licence, for good.")
@click.option(
    "--kdf",
    type=click.Choice(sorted(KDF)),
    default="interactive",
    show_default=True,
    help="What a guess at the passphrase of a new key costs.",
)
@unlocking
@reporting
@click.pass_obj
def rotate(
    desk: Desk,
    *,
    add: tuple[str, ...],
    new: tuple[str, ...],
    retire: tuple[str, ...],
    thresholds: tuple[str, ...],
    at_least: tuple[str, ...],
    revoke_keys: tuple[str, ...],
    revoke_licences: tuple[str, ...],
    kdf: str,
    unlock: Unlock,
    as_json: bool,
) -> None:
    """Propose the next version of the trust, signed with every root key that is here.

    It is adopted at once if those suffice for this version and the next. Otherwise it waits as trust-N.proposed.json
    for the others: ao-vendor sign add, then ao-vendor trust adopt. The key epoch of a role whose keys change rises by
    itself. What is revoked stays revoked.

    \b
    Example:
      ao-vendor trust rotate --new-key config --revoke-key config-1
    """
    asked = Asked(
        add=tuple(_pair(each, "--add-key") for each in add),
        new=tuple(_new(each) for each in new),
        retire=tuple(_of_a_role(each) for each in retire),
        thresholds=tuple((role, _number(text, "--threshold")) for role, text in _pairs(thresholds, "--threshold")),
        at_least=tuple(_demand(each) for each in at_least),
        revoke_keys=revoke_keys,
        revoke_licences=revoke_licences,
    )
    done = rotate_trust(desk.home, asked, unlock=unlock, limits=KDF[kdf], now=desk.now, random=desk.random)
    _show(done, as_json=as_json)


@trust.command()
@click.argument("file", type=FILE)
@reporting
@click.pass_obj
def adopt(desk: Desk, *, file: Path, as_json: bool) -> None:
    """Take the next version in, once enough root keys of this version and of the next have signed FILE.

    From then on everything is signed by the keys that it names. Carry it to every site.

    \b
    Example:
      ao-vendor trust adopt vendor/trust-2.proposed.json
    """
    _show(adopt_trust(desk.home, file, now=desk.now), as_json=as_json)


def _show(done: Rotated, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "version": done.version,
                "digest": done.digest,
                "file": str(done.file),
                "adopted": done.adopted,
                "changes": list(done.changes),
                "quorums": [quorum_as_dict(each) for each in done.quorums],
                "keys": [str(path) for path in done.made],
            }
        )
        return
    for change in done.changes:
        click.echo(f"* {shown(change, 400)}")
    for path in done.made:
        click.echo(f"New key: {shown(str(path))}")
    if done.adopted:
        click.echo(f"Trust version {done.version} is in force here: {shown(str(done.file))}")
    else:
        click.echo(f"Trust version {done.version} is proposed: {shown(str(done.file))}")
        click.echo(f"It still needs signatures: {sentence(done.quorums)}.")
    click.echo(f"Its digest: {done.digest}")


def _as_dict(chain: tuple[Verified[Trust], ...], labels: dict[str, str]) -> dict[str, Any]:
    newest = chain[-1].claims
    return {
        "versions": [
            {"version": each.claims.serial, "digest": each.digest, "issued_at": format_time(each.claims.issued_at)}
            for each in chain
        ],
        "vendor": newest.vendor,
        "roles": {
            name: {
                "threshold": role.threshold,
                "at_least": role.at_least,
                "epoch": role.epoch,
                "keys": [
                    {
                        "key": keyid,
                        "algorithm": newest.keys[keyid].algorithm,
                        "label": labels.get(keyid),
                        "revoked": keyid in newest.revoked.keys,
                    }
                    for keyid in role.keys
                ],
            }
            for name, role in newest.roles.items()
        },
        "revoked": {"keys": list(newest.revoked.keys), "licences": list(newest.revoked.licences)},
    }


def _role(text: str, option: str) -> RoleName:
    if text not in ROLES:
        raise click.BadParameter(f"{shown(text)!r} is no role; there are {', '.join(ROLES)}.", param_hint=option)
    return cast(RoleName, text)


def _pair(text: str, option: str) -> tuple[RoleName, str]:
    role, equals, value = text.partition("=")
    if not equals or not value:
        raise click.BadParameter(f"{shown(text)!r} is not spelt like ROLE=…", param_hint=option)
    return _role(role, option), value


def _pairs(texts: Iterable[str], option: str) -> tuple[tuple[RoleName, str], ...]:
    return tuple(_pair(each, option) for each in texts)


def _new(text: str) -> tuple[RoleName, Algorithm]:
    role, colon, algorithm = text.partition(":")
    chosen = algorithm if colon else "ed25519"
    if chosen not in get_args(Algorithm):
        raise click.BadParameter(f"{shown(chosen)!r} is no algorithm of ours.", param_hint="--new-key")
    return _role(role, "--new-key"), cast(Algorithm, chosen)


def _of_a_role(text: str) -> tuple[RoleName | None, str]:
    return _pair(text, "--retire-key") if "=" in text else (None, text)


def _number(text: str, option: str, least: int = 1) -> int:
    if not text.isascii() or not text.isdigit() or not least <= int(text[:9]) <= 32:
        raise click.BadParameter(f"{shown(text)!r} is not a number from {least} to 32.", param_hint=option)
    return int(text)


def _demand(text: str) -> tuple[RoleName, str, int]:
    place, equals, number = text.partition("=")
    role, colon, algorithm = place.partition(":")
    if not equals or not colon or algorithm not in SCHEMES:
        raise click.BadParameter(f"{shown(text)!r} is not spelt like ROLE:ALGORITHM=N.", param_hint="--at-least")
    return _role(role, "--at-least"), algorithm, _number(number, "--at-least", 0)
