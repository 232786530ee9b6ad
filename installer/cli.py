"""The installer's commands, added to `ao` where this package is there (entry-point group `ao.commands`)."""

from __future__ import annotations

import click

from installer import host_commands, package_command
from installer.first_run import command as first_run
from installer.preflight import command as preflight
from installer.support import command as support


def add_to(main: click.Group) -> None:
    preflight.add_to(main)
    host_commands.add_to(main)
    package_command.add_to(main)
    first_run.add_to(main)
    support.add_to(main)
