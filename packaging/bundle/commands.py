"""The commands of `python packaging/bundle`: parse, call, say what was made."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from bundle.errors import BundleRefused
from bundle.facts import ARCHITECTURES
from bundle.places import ROOT, places
from bundle.tree import assemble
from runtime.errors import RuntimeUnavailable
from runtime.pins import read_pins

sys.path.append(str(ROOT))

from licensing.version import BUILD_TIME, UPGRADES_FROM, __version__  # noqa: E402


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 made, 1 refused, 2 wrong use."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (BundleRefused, RuntimeUnavailable, OSError) as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python packaging/bundle", description=__doc__)
    commands = parser.add_subparsers(required=True)
    tree = commands.add_parser("tree", help="a release as a folder")
    tree.add_argument("--arch", choices=ARCHITECTURES, default=os.uname().machine)
    tree.add_argument("--out", type=Path, required=True, help="an empty folder, or one that does not exist")
    tree.set_defaults(run=_tree)
    return parser


def _tree(options: argparse.Namespace) -> None:
    where = places(os.environ, Path.home())
    of = assemble(options.out, options.arch, where, read_pins(), __version__, BUILD_TIME, UPGRADES_FROM)
    sys.stdout.write(f"{options.out}: AO Appliance {of.version} for {of.arch}, built {of.built_at}\n")
