"""What `ao` runs: the one command that it was called with, and nothing of the others.

Promise: the same as `main`, in half the time, for the commands below: each is in the file of its name. Anything else
(help, another name, a command of another package) goes to `main`, which knows every command.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

ALONE = frozenset(
    (
        *("admins", "anomaly", "audit", "backup", "config", "ledger", "licence", "media"),
        *("metrics", "officer", "providers", "quickstart", "receipt", "roles", "route", "serve"),
        *("sessions", "site", "state", "status", "trust", "usage", "verify", "webhooks"),
    )
)
CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def group_for(arguments: Sequence[str]) -> click.Group:
    """The group that has the command which is called: with it alone, where that is known."""
    name = arguments[0] if arguments else ""
    if name not in ALONE:
        from appliance.cli.main import main as every

        return every
    group = click.Group("ao", context_settings=CONTEXT)
    import_module(f"appliance.cli.{name}").add_to(group)
    return group


def main(prog_name: str = "ao") -> None:
    group_for(sys.argv[1:])(prog_name=prog_name)
