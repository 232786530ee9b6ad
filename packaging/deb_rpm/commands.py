"""The commands of `python packaging/deb_rpm`: parse, call, say what was made."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bundle.command_line import EPOCH, add_architectures, add_out, carried_out, say_made, say_same_twice, this_release
from bundle.errors import BundleRefused
from bundle.facts import ARCHITECTURES, Facts, read_facts
from bundle.places import places
from bundle.release import describe_too
from deb_rpm.build import KINDS, build
from runtime.cache import sha256_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 made, 1 refused, 2 wrong use."""
    return carried_out(_parser(), arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python packaging/deb_rpm", description=__doc__)
    commands = parser.add_subparsers(required=True)
    for name, run, told in (
        ("make", _make, "a deb and an rpm for each machine"),
        ("check", _check, "make them twice and compare"),
    ):
        command = commands.add_parser(name, help=told)
        add_architectures(command)
        command.add_argument("--kind", choices=KINDS, action="append", help="[default: both]")
        command.add_argument("--tree", type=Path, help="a release's folder that is there already")
        add_out(command)
        command.set_defaults(run=run)
    return parser


def _make(options: argparse.Namespace) -> None:
    made = _files(options, options.out)
    say_made(file for _, file in made)
    described = describe_too(options.out, [of for of, _ in made], [file for _, file in made])
    sys.stdout.write(f"{described} lists them: it is what the vendor signs.\n")


def _check(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="ao-twice-") as folder:
        once, again = ([file for _, file in _files(options, Path(folder) / each)] for each in ("once", "again"))
        differ = [a.name for a, b in zip(once, again, strict=True) if sha256_of(a) != sha256_of(b)]
        if differ:
            raise BundleRefused(f"Made twice, these differ: {', '.join(differ)}.")
        say_same_twice({file.name: sha256_of(file) for file in once})


def _files(options: argparse.Namespace, into: Path) -> list[tuple[Facts, Path]]:
    """Each package with the facts of its release."""
    kinds = options.kind or KINDS
    if options.tree:
        return _packed(options.tree, read_facts(options.tree), kinds, into)
    made = []
    for arch in options.arch or ARCHITECTURES:
        with tempfile.TemporaryDirectory(prefix="ao-tree-") as folder:
            tree = Path(folder) / "tree"
            of = this_release(tree, arch, places(os.environ, Path.home()))
            made += _packed(tree, of, kinds, into)
    return made


def _packed(tree: Path, of: Facts, kinds: Sequence[str], into: Path) -> list[tuple[Facts, Path]]:
    return [(of, build(kind, tree, of, EPOCH, into)) for kind in kinds]
