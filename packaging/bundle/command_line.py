"""What the commands of bundle, image and deb_rpm have in common: their options, how they end, how they say what was
made."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bundle.errors import BundleRefused
from bundle.facts import ARCHITECTURES, Facts
from bundle.places import ROOT, Places
from bundle.tree import assemble
from runtime.cache import sha256_of
from runtime.errors import RuntimeUnavailable
from runtime.pins import read_pins

sys.path.append(str(ROOT))

from licensing.version import BUILD_TIME, UPGRADES_FROM, __version__

EPOCH = int(BUILD_TIME.timestamp())
"""Seconds since 1970 that every file of this release is dated with."""


def carried_out(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> int:
    """Exit codes: 0 made, 1 refused, 2 wrong use."""
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except (BundleRefused, RuntimeUnavailable, OSError) as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    return 0


def add_architectures(command: argparse.ArgumentParser) -> None:
    command.add_argument("--arch", choices=ARCHITECTURES, action="append", help="[default: all]")


def add_out(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", type=Path, default=ROOT / "dist")


def this_release(out: Path, arch: str, where: Places) -> Facts:
    """The release of this checkout as a folder."""
    return assemble(out, arch, where, read_pins(), __version__, BUILD_TIME, UPGRADES_FROM)


def say_made(files: Iterable[Path]) -> None:
    for file in files:
        sys.stdout.write(f"{sha256_of(file)}  {file} ({file.stat().st_size / 1e6:.1f} MB)\n")


def say_same_twice(digests: Mapping[str, str]) -> None:
    for name, digest in digests.items():
        sys.stdout.write(f"{digest}  {name}\n")
    sys.stdout.write("Made twice, the same bytes.\n")
