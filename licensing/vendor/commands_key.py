"""`ao-vendor key`: one person's key, outside any home."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from licensing.keyfile import KDF, Algorithm
from licensing.shown import shown
from licensing.trust import RoleName
from licensing.vendor.command import (
    FILE,
    Desk,
    ask_passphrase,
    module_option,
    passphrase_options,
    print_json,
    reporting,
)
from licensing.vendor.key_files import AnyKeyFile, TokenReference, public_half, read_key, read_key_file, refer
from licensing.vendor.key_files import write_private as write_private_file
from licensing.vendor.keyring import new_key, seal
from licensing.vendor.operations import require_free
from media.writer import write_document

ROLE = click.Choice(list(get_args(RoleName)))


@click.group()
def key() -> None:
    """Make and look at a person's key."""


@key.command()
@click.option("--label", required=True, help="What people call it, for example the name of who keeps it.")
@click.option("--role", type=ROLE, help="The one role that it may ever sign for.  [default: any]")
@click.option(
    "--algorithm",
    type=click.Choice(list(get_args(Algorithm))),
    default="ed25519",
    show_default=True,
    help="Its scheme.",
)
@click.option("--out", type=FILE, required=True, help="Where to write the key file.")
@click.option(
    "--kdf",
    type=click.Choice(sorted(KDF)),
    default="moderate",
    show_default=True,
    help="What a guess at the passphrase costs: 64 MiB, 256 MiB or 1 GiB of memory.",
)
@passphrase_options
@reporting
@click.pass_obj
def new(
    desk: Desk,
    *,
    label: str,
    role: RoleName | None,
    algorithm: Algorithm,
    out: Path,
    kdf: str,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
    as_json: bool,
) -> None:
    """Make a key for a person, in a file of its own under a passphrase.

    No home is needed. Hand on the public half alone: ao-vendor key show FILE --out PUBLIC.

    \b
    Example:
      ao-vendor key new --label alice --role root --out alice.key
    """
    require_free(out)
    ask = ask_passphrase(passphrase_file, passphrase_fd, confirm=True)
    made = new_key(role, label, algorithm, desk.random)
    data = seal(made, ask(), random=desk.random, limits=KDF[kdf])
    write_private_file(out, data)
    _show(read_key(data), out, as_json=as_json)


@key.command()
@click.argument("file", type=FILE)
@click.option("--out", type=FILE, help="Write the public half to this file, to hand on.")
@reporting
def show(*, file: Path, out: Path | None, as_json: bool) -> None:
    """Show whose key FILE is; no passphrase is needed.

    FILE may hold a key, a reference to one in a token, or a public key.

    \b
    Example:
      ao-vendor key show alice.key --out alice.pub
    """
    found = read_key_file(file)
    if out is not None:
        write_document(out, public_half(found))
    _show(found, file, as_json=as_json)


@key.command(name="refer")
@click.argument("uri")
@click.option("--label", required=True, help="What people call it.")
@click.option("--role", type=ROLE, help="The one role that it may sign for.  [default: any]")
@click.option("--out", type=FILE, required=True, help="Where to write the reference, for example in a home's keys.")
@module_option
@reporting
def refer_to(
    *, uri: str, label: str, role: RoleName | None, out: Path, pkcs11_module: Path | None, as_json: bool
) -> None:
    """Write a reference to the key in a token that the pkcs11: URI names.

    A home takes it in place of a key file, in its folder keys, under the name ROLE-LABEL.json. The public key that the
    token shows now is recorded; the private one stays in the token.

    \b
    Example:
      ao-vendor key refer "pkcs11:token=desk;object=licence" --label hsm --role licence \\
        --out vendor/keys/licence-hsm.json
    """
    data = refer(uri, label=label, role=role, module=pkcs11_module)
    write_private_file(out, data)
    _show(read_key(data), out, as_json=as_json)


def _show(found: AnyKeyFile, file: Path, *, as_json: bool) -> None:
    row: dict[str, Any] = {
        "key": found.public_key.keyid,
        "kind": found.kind,
        "algorithm": found.algorithm,
        "public": found.model_dump(mode="json")["public"],
        "role": found.role,
        "label": found.label,
        "file": str(file),
    }
    if isinstance(found, TokenReference):
        row["uri"] = found.uri
    if as_json:
        print_json(row)
        return
    for name, value in row.items():
        if value is not None:
            click.echo(f"{name + ':':11}{shown(str(value), 400)}")
