"""The face that the installer's commands share: `--json`, how a refusal looks, how a result is printed.

It is the appliance's face, written anew because the installer may be older than the release that it installs. It is
the only place of these commands that reads the clock and the environment.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Concatenate, ParamSpec

import click

from licensing.errors import Refusal
from licensing.shown import shown

P = ParamSpec("P")

LINE_LIMIT = 100_000


@dataclass(frozen=True, slots=True)
class Result:
    """What a command found out: `data` for `--json`, `lines` for a person, and the exit code."""

    data: dict[str, Any]
    lines: Sequence[str] = field(default_factory=list)
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Face:
    """What a command is given: the time of its call (UTC, whole seconds) and the environment."""

    now: datetime
    environment: Mapping[str, str]
    as_json: bool


def command(
    group: click.Group, name: str, *, example: str
) -> Callable[[Callable[Concatenate[Face, P], Result]], click.Command]:
    """Makes a command of a function `(face, **options) -> Result`. `example` is shown in its help."""

    def decorate(function: Callable[Concatenate[Face, P], Result]) -> click.Command:
        @click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
        @functools.wraps(function)
        def run(*, as_json: bool, **options: Any) -> None:
            face = Face(datetime.now(UTC).replace(microsecond=0), dict(os.environ), as_json)
            try:
                result = function(face, **options)  # type: ignore[call-arg]  # click's options
            except Refusal as refusal:
                show_refusal(refusal, as_json=as_json)
                sys.exit(refusal.exit_code)
            show(result, as_json=as_json)
            sys.exit(result.exit_code)

        # A backslash on a line of its own keeps click from re-wrapping the example.
        run.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n\n\b\nExample:\n  {example}"
        return group.command(name)(run)

    return decorate


def show(result: Result, *, as_json: bool) -> None:
    if as_json:
        # ASCII only: what a sender wrote reaches the terminal as escapes.
        click.echo(json.dumps(result.data, default=str))
        return
    for line in result.lines:
        click.echo(shown(line, LINE_LIMIT))


def show_refusal(refusal: Refusal, *, as_json: bool) -> None:
    """One sentence, one remedy, one code."""
    if as_json:
        click.echo(json.dumps({"error": refusal.as_dict()}))
        return
    click.echo(f"ao: {shown(str(refusal), 2000)} [{refusal.code}]", err=True)
    click.echo(f"    {shown(refusal.remedy, 2000)}", err=True)
