"""`ao` in this process: every command of the appliance's own tree, and what a call of one gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import click
from click.testing import CliRunner

from appliance.cli.main import main


def commands(group: click.Group = main) -> dict[str, click.Command]:
    """Every command by its words, as in `usage seal`; groups are not among them."""
    return dict(_below(group, ()))


def groups() -> dict[str, click.Command]:
    return {name: each for name, each in _every(main, ()) if isinstance(each, click.Group)}


def _every(group: click.Group, words: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    yield " ".join(words), group
    for name, each in group.commands.items():
        if each.callback is not None and each.callback.__module__.startswith("installer."):
            continue  # found by entry point where the product is installed: they change hosts; tested by themselves
        if isinstance(each, click.Group):
            yield from _every(each, (*words, name))
        else:
            yield " ".join((*words, name)), each


def _below(group: click.Group, words: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    yield from ((name, each) for name, each in _every(group, words) if not isinstance(each, click.Group))


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str
    fault: BaseException | None


def ao(*arguments: str, state: Path | None = None, typed: str | None = None) -> Said:
    """Runs a command. A fault, which a person would see as a traceback, is kept apart."""
    environment = {"AO_STATE_DIR": str(state) if state else None, "AO_SETTINGS": None, "CREDENTIALS_DIRECTORY": None}
    # A handler made by the command would outlive the stream that it writes to; and `serve` takes core dumps from its
    # own process for good, which here would be the tests'.
    with patch("logging.basicConfig"), patch("appliance.supervise.keep_memory_to_oneself"):
        result = CliRunner().invoke(main, list(arguments), env=environment, input=typed)
    fault = result.exception if result.exception and not isinstance(result.exception, SystemExit) else None
    return Said(result.exit_code, result.stdout, result.stderr, fault)
