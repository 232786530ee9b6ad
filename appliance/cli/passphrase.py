"""How a command asks for the passphrase of an officer's key or a backup: at a prompt, or from a file or a descriptor.
There is no option for the passphrase itself: other processes and the shell's history would see it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import click

from media.errors import PassphraseMissing
from media.passphrase import AskPassphrase, Passphrase, taken_from

P = ParamSpec("P")
T = TypeVar("T")

QUESTION = "Passphrase of the officer's key"


def passphrase_options(function: Callable[P, T]) -> Callable[P, T]:
    """`--passphrase-file` and `--passphrase-fd`."""
    by_file = click.option(
        "--passphrase-file",
        type=click.Path(path_type=Path),
        help="Read the passphrase from this file, which only you may read.",
    )
    by_descriptor = click.option(
        "--passphrase-fd", type=click.IntRange(min=0), help="Read the passphrase from this open file descriptor."
    )
    return by_file(by_descriptor(function))


def ask_passphrase(
    file: Path | None, descriptor: int | None, *, confirm: bool = False, question: str = QUESTION
) -> AskPassphrase:
    """Where the passphrase will come from, asked for only once it is needed."""
    if file is not None and descriptor is not None:
        raise click.UsageError("Give --passphrase-file or --passphrase-fd, not both.")

    def ask() -> Passphrase:
        return taken_from(file, descriptor, _prompt, confirm=confirm, question=question)

    return ask


def _prompt(question: str) -> str:
    try:
        typed: str = click.prompt(question, hide_input=True, err=True, default="", show_default=False)
    except click.Abort as error:
        raise PassphraseMissing("Nothing was typed at the prompt.") from error
    return typed
