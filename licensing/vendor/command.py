"""What every command of `ao-vendor` has in common: its options, how a refusal is shown, and how results are printed.

Promise: a refusal is one sentence with its remedy on standard error, or with `--json` one object on standard output,
and the process ends with its exit code. Foreign text reaches a terminal only through `shown`.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ParamSpec

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from licensing.document import parse_time
from licensing.errors import Refusal
from licensing.keyfile import RandomBytes
from licensing.shown import shown
from licensing.vendor.home import Home
from licensing.vendor.operations import Delivered
from licensing.vendor.unlock import Unlock
from media.errors import PassphraseMissing
from media.passphrase import AskPassphrase, Passphrase, taken_from

P = ParamSpec("P")

FOREIGN_LIMIT = 400
QUESTIONS = {"passphrase": "Passphrase of the vendor's keys", "pin": "PIN of the token"}
WIDTH_OF_A_FILE = 2000
"""A pipe has no width of its own: nothing is folded that another program may want to read."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What a command is given from outside: its home, the time, and randomness."""

    home: Home
    now: datetime
    random: RandomBytes


class Moment(click.ParamType[datetime]):
    """A day (`2027-01-31`, its first second in UTC) or a time (`2027-01-31T12:00:00Z`)."""

    name = "DATE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        text = str(value)
        try:
            return parse_time(text if "T" in text else f"{text}T00:00:00Z").astimezone(UTC)
        except ValueError:
            self.fail(f"{shown(text)!r} is neither a day like 2027-01-31 nor a time like 2027-01-31T12:00:00Z.")


FILE = click.Path(path_type=Path)
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


def passphrase_options(command: Callable[P, None]) -> Callable[P, None]:
    """`--passphrase-file` and `--passphrase-fd`: there is none for the passphrase itself, on purpose."""
    by_file = click.option(
        "--passphrase-file", type=FILE, help="Read the passphrase from this file, which only you may read."
    )
    by_descriptor = click.option(
        "--passphrase-fd", type=click.IntRange(min=0), help="Read the passphrase from this open file descriptor."
    )
    return by_file(by_descriptor(command))


def unlocking(command: Callable[..., None]) -> Callable[..., None]:
    """The options by which private keys are reached, in files and in tokens; the command is given one `unlock`."""

    @passphrase_options
    @click.option("--pin-file", type=FILE, help="Read a token's PIN from this file, which only you may read.")
    @click.option("--pin-fd", type=click.IntRange(min=0), help="Read a token's PIN from this open file descriptor.")
    @module_option
    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        passphrase = ask_passphrase(kwargs.pop("passphrase_file"), kwargs.pop("passphrase_fd"))
        pin = ask_passphrase(kwargs.pop("pin_file"), kwargs.pop("pin_fd"), what="pin")
        command(*args, unlock=Unlock(passphrase, pin, kwargs.pop("pkcs11_module")), **kwargs)

    return wrapped


def module_option(command: Callable[P, None]) -> Callable[P, None]:
    """`--pkcs11-module`: the library by which a token is reached."""
    return click.option(
        "--pkcs11-module",
        type=FILE,
        envvar="AO_PKCS11_MODULE",
        show_envvar=True,
        help="The PKCS#11 library of the token's maker.",
    )(command)


def ask_passphrase(
    file: Path | None, descriptor: int | None, *, confirm: bool = False, what: str = "passphrase"
) -> AskPassphrase:
    """Where the passphrase (or PIN) will come from, asked for only once it is needed."""
    if file is not None and descriptor is not None:
        raise click.UsageError(f"Give --{what}-file or --{what}-fd, not both.")

    def ask() -> Passphrase:
        return taken_from(file, descriptor, _prompt, confirm=confirm, question=QUESTIONS[what])

    return ask


def _prompt(question: str) -> str:
    try:
        typed: str = click.prompt(question, hide_input=True, err=True, default="", show_default=False)
    except click.Abort as error:
        raise PassphraseMissing("Nothing was typed at the prompt.") from error
    return typed


def reporting(command: Callable[P, None]) -> Callable[P, None]:
    """Adds `--json`, and shows what is refused."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except Refusal as refusal:
            show_refusal(refusal, as_json=bool(kwargs["as_json"]))
            raise click.exceptions.Exit(refusal.exit_code) from refusal

    return wrapped


class Face(click.Group):
    """The outermost group: with `--json` anywhere on the line, wrong use of a command is told in JSON as well."""

    def main(  # type: ignore[override]  # click gives the rest by name
        self, args: Sequence[str] | None = None, *, standalone_mode: bool = True, **extra: Any
    ) -> Any:
        if not standalone_mode:
            return super().main(args, standalone_mode=False, **extra)
        given = sys.argv[1:] if args is None else list(args)
        try:
            code = super().main(args, standalone_mode=False, **extra)
        except click.ClickException as error:
            if "--json" in given:
                remedy = "See the command's --help."
                print_json({"error": {"code": "usage", "message": error.format_message(), "remedy": remedy}})
            else:
                error.show()
            sys.exit(error.exit_code)
        except click.Abort:
            click.echo("Aborted!", err=True)
            sys.exit(1)
        sys.exit(code if isinstance(code, int) else 0)


def show_refusal(refusal: Refusal, *, as_json: bool) -> None:
    if as_json:
        print_json({"error": refusal.as_dict()})
        return
    place = f"{shown(refusal.where, FOREIGN_LIMIT)}: " if refusal.where else ""
    click.echo(f"ao-vendor: {place}{shown(refusal.message, FOREIGN_LIMIT)} [{refusal.code}]", err=True)
    click.echo(f"    {shown(refusal.remedy, FOREIGN_LIMIT)}", err=True)


def print_json(value: dict[str, Any]) -> None:
    """One line in ASCII, as `ao` prints it: whatever a foreign label holds, it reaches a terminal as an escape."""
    click.echo(json.dumps(value, ensure_ascii=True))


def print_table(title: str, columns: tuple[str, ...], rows: list[tuple[str | int, ...]]) -> None:
    """A table whose numbers stand to the right, and in which no cell is markup."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for place, column in enumerate(columns):
        numeric = bool(rows) and isinstance(rows[0][place], int)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else shown(cell, FOREIGN_LIMIT)) for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH_OF_A_FILE
    console.print(table)


def show_delivered(what: str, delivered: Delivered, more: dict[str, Any], *, as_json: bool) -> None:
    """What was issued, where it lies, and whether others must sign it before a site takes it."""
    if as_json:
        print_json({**more, "serial": delivered.serial, "file": str(delivered.file), "missing": delivered.missing})
        return
    click.echo(f"{what}, serial {delivered.serial}, is in {shown(str(delivered.file))}")
    if delivered.missing:
        click.echo(
            f"It is unfinished: {delivered.missing} more must sign it before a site takes it "
            "(ao-vendor sign status FILE, ao-vendor sign add FILE)."
        )
