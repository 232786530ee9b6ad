"""The commands of `python packaging/image`: parse, call, say what was made."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bundle.errors import BundleRefused
from bundle.facts import ARCHITECTURES, Facts
from bundle.places import ROOT, Places, places
from bundle.release import describe_too
from bundle.tree import assemble
from bundle.twice import made_twice
from image.chart import pack_chart
from image.make import make_image
from image.packages import source_packages
from image.pins import read_image_pins
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
    parser = argparse.ArgumentParser(prog="python packaging/image", description=__doc__)
    commands = parser.add_subparsers(required=True)
    make = commands.add_parser(
        "make", help="image and chart for each machine, and their entries in release.unsigned.json"
    )
    make.add_argument("--arch", choices=ARCHITECTURES, action="append", help="[default: all]")
    make.add_argument("--out", type=Path, default=ROOT / "dist")
    make.set_defaults(run=_make)
    sources = commands.add_parser(
        "sources", help="the sources of the C library in the images, for whoever asks for them"
    )
    sources.add_argument("--out", type=Path, required=True)
    sources.set_defaults(run=_sources)
    check = commands.add_parser("check", help="make everything twice, the second time from nothing kept, and compare")
    check.add_argument("--arch", choices=ARCHITECTURES, action="append", help="[default: all]")
    check.set_defaults(run=_check)
    return parser


def _make(options: argparse.Namespace) -> None:
    files = _files(options.arch, options.out, places(os.environ, Path.home()))
    for file in files:
        sys.stdout.write(f"{sha256_of(file)}  {file} ({file.stat().st_size / 1e6:.1f} MB)\n")


def _sources(options: argparse.Namespace) -> None:
    for file in source_packages(read_image_pins(), options.out):
        sys.stdout.write(f"{sha256_of(file)}  {file}\n")


def _check(options: argparse.Namespace) -> None:
    digests = made_twice(lambda into, where: _files(options.arch, into, where), places(os.environ, Path.home()))
    for name, digest in digests.items():
        sys.stdout.write(f"{digest}  {name}\n")
    sys.stdout.write("Made twice, the same bytes.\n")


def _files(architectures: Sequence[str] | None, into: Path, where: Places) -> list[Path]:
    """The image and the chart of each architecture; release.unsigned.json tells of them beside what it told before."""
    made: list[Path] = []
    known: list[Facts] = []
    epoch = int(BUILD_TIME.timestamp())
    for arch in architectures or ARCHITECTURES:
        with tempfile.TemporaryDirectory(prefix="ao-tree-") as folder:
            tree = Path(folder) / "tree"
            of = assemble(tree, arch, where, read_pins(), __version__, BUILD_TIME, UPGRADES_FROM)
            image = make_image(tree, of, epoch, where, read_image_pins(), into)
        sys.stdout.write(f"{image.digest}  the image in {image.file.name}: this is what to pin\n")
        made += [image.file, pack_chart(where.root / "packaging/chart", of, image.digest, epoch, into)]
        known += [of, of]
    return [*made, describe_too(into, known, made)]
