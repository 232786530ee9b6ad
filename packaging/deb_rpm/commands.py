"""The commands of `python packaging/deb_rpm`: parse, call, say what was made."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bundle.errors import BundleRefused
from bundle.facts import ARCHITECTURES, Facts, read_facts
from bundle.places import ROOT, places
from bundle.release import describe_too
from bundle.tree import assemble
from deb_rpm.build import KINDS, build
from runtime.cache import sha256_of
from runtime.errors import RuntimeUnavailable
from runtime.pins import read_pins

sys.path.append(str(ROOT))

from licensing.version import BUILD_TIME, UPGRADES_FROM, __version__


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
    parser = argparse.ArgumentParser(prog="python packaging/deb_rpm", description=__doc__)
    commands = parser.add_subparsers(required=True)
    for name, run, told in (
        ("make", _make, "a deb and an rpm for each machine"),
        ("check", _check, "make them twice and compare"),
    ):
        command = commands.add_parser(name, help=told)
        command.add_argument("--arch", choices=ARCHITECTURES, action="append", help="[default: all]")
        command.add_argument("--kind", choices=KINDS, action="append", help="[default: both]")
        command.add_argument("--tree", type=Path, help="a release's folder that is there already")
        command.add_argument("--out", type=Path, default=ROOT / "dist")
        command.set_defaults(run=run)
    return parser


def _make(options: argparse.Namespace) -> None:
    made = _files(options, options.out)
    for _, file in made:
        sys.stdout.write(f"{sha256_of(file)}  {file} ({file.stat().st_size / 1e6:.1f} MB)\n")
    described = describe_too(options.out, [of for of, _ in made], [file for _, file in made])
    sys.stdout.write(f"{described} lists them: it is what the vendor signs.\n")


def _check(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="ao-twice-") as folder:
        once, again = ([file for _, file in _files(options, Path(folder) / each)] for each in ("once", "again"))
        differ = [a.name for a, b in zip(once, again, strict=True) if sha256_of(a) != sha256_of(b)]
        for file in once:
            sys.stdout.write(f"{sha256_of(file)}  {file.name}\n")
    if differ:
        raise BundleRefused(f"Made twice, these differ: {', '.join(differ)}.")
    sys.stdout.write("Made twice, the same bytes.\n")


def _files(options: argparse.Namespace, into: Path) -> list[tuple[Facts, Path]]:
    """Each package with the facts of its release."""
    kinds = options.kind or KINDS
    if options.tree:
        return _packed(options.tree, read_facts(options.tree), kinds, into)
    made = []
    for arch in options.arch or ARCHITECTURES:
        with tempfile.TemporaryDirectory(prefix="ao-tree-") as folder:
            tree = Path(folder) / "tree"
            where = places(os.environ, Path.home())
            of = assemble(tree, arch, where, read_pins(), __version__, BUILD_TIME, UPGRADES_FROM)
            made += _packed(tree, of, kinds, into)
    return made


def _packed(tree: Path, of: Facts, kinds: Sequence[str], into: Path) -> list[tuple[Facts, Path]]:
    return [(of, build(kind, tree, of, int(BUILD_TIME.timestamp()), into)) for kind in kinds]
