"""`ao` with the installer's commands alone, as a program: `python -m tests.packaging.installer_alone`."""

from __future__ import annotations

import os
import sys

import click

from installer.cli import add_to
from tests.installer.dying import count_down

main = click.Group("ao")
add_to(main)

if __name__ == "__main__":
    if change := os.environ.get("AO_TEST_DIES_BEFORE"):
        count_down(int(change))
    sys.exit(main(prog_name="ao"))
