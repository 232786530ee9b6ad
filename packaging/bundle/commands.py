"""The commands of `python packaging/bundle`: parse, call, say what was made."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bundle.command_line import EPOCH, add_architectures, add_out, carried_out, say_made, say_same_twice, this_release
from bundle.facts import ARCHITECTURES
from bundle.places import Places, places
from bundle.release import describe
from bundle.run_file import pack
from bundle.twice import made_twice

CHECK = Path(__file__).resolve().parent / "check-release.sh"
"""What an operator can check a file with who has no AO Appliance yet."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 made, 1 refused, 2 wrong use."""
    return carried_out(_parser(), arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python packaging/bundle", description=__doc__)
    commands = parser.add_subparsers(required=True)
    tree = commands.add_parser("tree", help="a release as a folder")
    tree.add_argument("--arch", choices=ARCHITECTURES, default=os.uname().machine)
    tree.add_argument("--out", type=Path, required=True, help="an empty folder, or one that does not exist")
    tree.set_defaults(run=_tree)
    make = commands.add_parser("make", help="the files that are carried in, and the unsigned release.json beside them")
    add_architectures(make)
    add_out(make)
    make.set_defaults(run=_make)
    check = commands.add_parser("check", help="make everything twice, the second time from nothing kept, and compare")
    add_architectures(check)
    check.set_defaults(run=_check)
    return parser


def _tree(options: argparse.Namespace) -> None:
    of = this_release(options.out, options.arch, places(os.environ, Path.home()))
    sys.stdout.write(f"{options.out}: AO Appliance {of.version} for {of.arch}, built {of.built_at}\n")


def _make(options: argparse.Namespace) -> None:
    say_made(_files(options.arch, options.out, places(os.environ, Path.home())))


def _check(options: argparse.Namespace) -> None:
    say_same_twice(made_twice(lambda into, where: _files(options.arch, into, where), places(os.environ, Path.home())))


def _files(architectures: Sequence[str] | None, into: Path, where: Places) -> list[Path]:
    """The .run of each architecture, and what release.json is to say of them."""
    made, known = [], []
    for arch in architectures or ARCHITECTURES:
        with tempfile.TemporaryDirectory(prefix="ao-tree-") as folder:
            tree = Path(folder) / "tree"
            of = this_release(tree, arch, where)
            made.append(pack(tree, of, EPOCH, into))
            known.append(of)
    check = into / CHECK.name
    shutil.copyfile(CHECK, check)
    return [*made, describe(into, known, made), check]
