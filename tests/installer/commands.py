"""`ao` with the installer's commands beside the appliance's own. As a program: `python -m tests.installer.commands`."""

from __future__ import annotations

import sys

import click

from appliance.cli.main import main as appliance
from installer.cli import add_to

main = click.Group("ao", commands=dict(appliance.commands))
add_to(main)

if __name__ == "__main__":
    sys.exit(main(prog_name="ao"))
