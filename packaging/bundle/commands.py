"""The commands of `python packaging/bundle`: parse, call, say what was made."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bundle.errors import BundleRefused
from bundle.facts import ARCHITECTURES, Facts
from bundle.places import ROOT, Places, places
from bundle.release import describe
from bundle.run_file import pack
from bundle.tree import assemble
from bundle.twice import made_twice
from runtime.cache import sha256_of
from runtime.errors import RuntimeUnavailable
from runtime.pins import read_pins

sys.path.append(str(ROOT))

from licensing.version import BUILD_TIME, UPGRADES_FROM, __version__

CHECK = Path(__file__).resolve().parent / "check-release.sh"
"""What an operator can check a file with who has no AO Appliance yet."""


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
    make = commands.add_parser("make", help="the files that are carried in, and the unsigned release.json beside them")
    make.add_argument("--arch", choices=ARCHITECTURES, action="append", help="[default: all]")
    make.add_argument("--out", type=Path, default=ROOT / "dist")
    make.set_defaults(run=_make)
    check = commands.add_parser("check", help="make everything twice, the second time from nothing kept, and compare")
    check.add_argument("--arch", choices=ARCHITECTURES, action="append", help="[default: all]")
    check.set_defaults(run=_check)
    return parser


def _tree(options: argparse.Namespace) -> None:
    of = _assemble(options.out, options.arch, places(os.environ, Path.home()))
    sys.stdout.write(f"{options.out}: AO Appliance {of.version} for {of.arch}, built {of.built_at}\n")


def _make(options: argparse.Namespace) -> None:
    for file in _files(options.arch, options.out, places(os.environ, Path.home())):
        sys.stdout.write(f"{sha256_of(file)}  {file} ({file.stat().st_size / 1e6:.1f} MB)\n")


def _check(options: argparse.Namespace) -> None:
    digests = made_twice(lambda into, where: _files(options.arch, into, where), places(os.environ, Path.home()))
    for name, digest in digests.items():
        sys.stdout.write(f"{digest}  {name}\n")
    sys.stdout.write("Made twice, the same bytes.\n")


def _assemble(out: Path, arch: str, where: Places) -> Facts:
    return assemble(out, arch, where, read_pins(), __version__, BUILD_TIME, UPGRADES_FROM)


def _files(architectures: Sequence[str] | None, into: Path, where: Places) -> list[Path]:
    """The .run of each architecture, and what release.json is to say of them."""
    made, known = [], []
    for arch in architectures or ARCHITECTURES:
        with tempfile.TemporaryDirectory(prefix="ao-tree-") as folder:
            tree = Path(folder) / "tree"
            of = _assemble(tree, arch, where)
            made.append(pack(tree, of, int(BUILD_TIME.timestamp()), into))
            known.append(of)
    check = into / CHECK.name
    shutil.copyfile(CHECK, check)
    return [*made, describe(into, known, made), check]
