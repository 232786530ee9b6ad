"""The commands of `python packaging/image`: parse, call, say what was made."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bundle.command_line import EPOCH, add_architectures, add_out, carried_out, say_made, say_same_twice, this_release
from bundle.facts import ARCHITECTURES, Facts
from bundle.places import Places, places
from bundle.release import describe_too
from bundle.twice import made_twice
from image.chart import pack_chart
from image.make import make_image
from image.packages import source_packages
from image.pins import read_image_pins
from runtime.cache import sha256_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 made, 1 refused, 2 wrong use."""
    return carried_out(_parser(), arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python packaging/image", description=__doc__)
    commands = parser.add_subparsers(required=True)
    make = commands.add_parser(
        "make", help="image and chart for each machine, and their entries in release.unsigned.json"
    )
    add_architectures(make)
    add_out(make)
    make.set_defaults(run=_make)
    sources = commands.add_parser(
        "sources", help="the sources of the C library in the images, for whoever asks for them"
    )
    sources.add_argument("--out", type=Path, required=True)
    sources.set_defaults(run=_sources)
    check = commands.add_parser("check", help="make everything twice, the second time from nothing kept, and compare")
    add_architectures(check)
    check.set_defaults(run=_check)
    return parser


def _make(options: argparse.Namespace) -> None:
    say_made(_files(options.arch, options.out, places(os.environ, Path.home())))


def _sources(options: argparse.Namespace) -> None:
    for file in source_packages(read_image_pins(), options.out):
        sys.stdout.write(f"{sha256_of(file)}  {file}\n")


def _check(options: argparse.Namespace) -> None:
    say_same_twice(made_twice(lambda into, where: _files(options.arch, into, where), places(os.environ, Path.home())))


def _files(architectures: Sequence[str] | None, into: Path, where: Places) -> list[Path]:
    """The image and the chart of each architecture; release.unsigned.json tells of them beside what it told before."""
    made: list[Path] = []
    known: list[Facts] = []
    for arch in architectures or ARCHITECTURES:
        with tempfile.TemporaryDirectory(prefix="ao-tree-") as folder:
            tree = Path(folder) / "tree"
            of = this_release(tree, arch, where)
            image = make_image(tree, of, EPOCH, where, read_image_pins(), into)
        sys.stdout.write(f"{image.digest}  the image in {image.file.name}: this is what to pin\n")
        made += [image.file, pack_chart(where.root / "packaging/chart", of, image.digest, EPOCH, into)]
        known += [of, of]
    return [*made, describe_too(into, known, made)]
