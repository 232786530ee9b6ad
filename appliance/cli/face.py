"""The face that every `ao` command shares: where the state is, `--json`, how a refusal looks, how a result is printed.

A command parses, calls one operation, and returns a `Result`; this module renders it. It is the only place of the
command line that reads the clock and the environment.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import click

from appliance.access.authorise import Principal, host_principal
from appliance.errors import StateDamaged, StateUnwritable
from appliance.host_process import user_name
from appliance.settings import Settings, chosen_file, load_settings
from appliance.state.database import DatabaseFault, DatabaseUnwritable
from appliance.state.owner import leave_to_owner
from appliance.state.site import Site, open_site
from licensing.errors import Refusal
from licensing.shown import shown

if TYPE_CHECKING:
    from appliance.config.secrets import SecretLookup

P = ParamSpec("P")

LINE_LIMIT = 100_000
"""A line for a terminal is never longer; ordinary ones are left whole."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a command found out: `data` for `--json`, `lines` for a person, and the exit code."""

    data: dict[str, Any]
    lines: Sequence[str] = field(default_factory=list)
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Face:
    """What a command is given: the host's settings and the time of its call (UTC, whole seconds)."""

    settings: Settings
    now: datetime
    as_json: bool
    by: Principal
    """Who acts: whoever is at the host's console."""
    settings_file: Path | None = None
    """Where the settings were read from, if from a file."""

    def site(self) -> closing[Site]:
        """The opened state; `with face.site() as site`."""
        return closing(open_site(self.settings.state_dir, by=self.by))

    def again(self) -> Face:
        """The same at a later time: for a command that goes on."""
        return replace(self, now=datetime.now(UTC).replace(microsecond=0))

    def next_second(self) -> datetime:
        """Waits for the second to be over, and gives the one that begins."""
        time.sleep(1.0 - time.time() % 1.0)
        return datetime.now(UTC).replace(microsecond=0)

    def secrets(self) -> SecretLookup:
        from appliance.config.secrets import host_secrets

        return host_secrets(os.environ, self.settings.secrets_dir)


def command(
    group: click.Group, name: str, *, example: str
) -> Callable[[Callable[Concatenate[Face, P], Result]], click.Command]:
    """Makes a command of a function `(face, **options) -> Result`. `example` is shown in its help."""

    def decorate(function: Callable[Concatenate[Face, P], Result]) -> click.Command:
        @click.option("--state-dir", type=click.Path(path_type=Path), help="The state folder (or AO_STATE_DIR).")
        @click.option("--settings", "settings_file", type=click.Path(path_type=Path), help="The host's settings file.")
        @click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
        @functools.wraps(function)
        def run(*, state_dir: Path | None, settings_file: Path | None, as_json: bool, **options: Any) -> None:
            try:
                settings = load_settings(settings_file, os.environ, {"state_dir": state_dir})
                now = datetime.now(UTC).replace(microsecond=0)
                face = Face(settings, now, as_json, at_console(), chosen_file(settings_file, os.environ))
                try:
                    result = function(face, **options)  # type: ignore[call-arg]  # click's options
                finally:
                    leave_to_owner(settings.state_dir)
            except Refusal as refusal:
                show_refusal(refusal, as_json=as_json)
                sys.exit(refusal.exit_code)
            except DatabaseUnwritable as fault:
                unwritable = StateUnwritable(
                    f"The state database cannot be written: {fault}.", where=str(settings.state_dir)
                )
                show_refusal(unwritable, as_json=as_json)
                sys.exit(unwritable.exit_code)
            except DatabaseFault as fault:
                damaged = StateDamaged(f"The state database cannot be used: {fault}.", where=str(settings.state_dir))
                show_refusal(damaged, as_json=as_json)
                sys.exit(damaged.exit_code)
            show(result, as_json=as_json)
            sys.exit(result.exit_code)

        # A backslash on a line of its own keeps click from re-wrapping the example.
        run.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n\n\b\nExample:\n  {example}"
        return group.command(name)(run)

    return decorate


def at_console() -> Principal:
    """The user of this process, who has the state folder in their hands."""
    return host_principal(user_name(os.environ))


def show(result: Result, *, as_json: bool) -> None:
    if as_json:
        # ASCII only: what a sender wrote reaches the terminal as escapes.
        click.echo(json.dumps(result.data, default=str))
    else:
        for line in result.lines:
            for each in line.split("\n"):
                click.echo(shown(each, LINE_LIMIT))


def show_refusal(refusal: Refusal, *, as_json: bool) -> None:
    """One sentence, one remedy, one code."""
    if as_json:
        click.echo(json.dumps({"error": refusal.as_dict()}))
        return
    # What foreign text a sentence holds was made harmless where it was put in; this is for the place where it was not.
    sentence = "\n".join(shown(line, 2000) for line in str(refusal).split("\n"))
    click.echo(f"ao: {sentence} [{refusal.code}]", err=True)
    click.echo(f"    {shown(refusal.remedy, 2000)}", err=True)


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Columns as wide as their widest cell; numbers to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(header), *cells]) for i in range(len(header))]
    right = [bool(rows) and all(isinstance(row[i], int) for row in rows) for i in range(len(header))]

    def line(row: Sequence[str]) -> str:
        placed = [
            cell.rjust(width) if r else cell.ljust(width) for cell, width, r in zip(row, widths, right, strict=True)
        ]
        return "  ".join(placed).rstrip()

    return [line(header), *(line(row) for row in cells)]
