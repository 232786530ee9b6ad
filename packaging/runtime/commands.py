"""The commands of `python packaging/runtime`: parse, call, say what was made."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from bundle.errors import BundleRefused
from bundle.places import places
from bundle.tree import native_python
from runtime.build import build
from runtime.cache import own_archive, sha256_of
from runtime.errors import RuntimeUnavailable
from runtime.pins import read_pins


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 made, 1 it cannot be made, 2 wrong use."""
    parser = argparse.ArgumentParser(prog="python packaging/runtime", description=__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("build", help="build the runtime from its sources (10 to 20 minutes)")
    command.add_argument("--arch", choices=("x86_64", "aarch64"), required=True)
    command.add_argument("--jobs", type=int, default=1)
    command.add_argument("--work", type=Path, help="where to build, and to go on building  [default: in the cache]")
    options = parser.parse_args(arguments)
    where, pins = places(os.environ, Path.home()), read_pins()
    work = options.work or where.cache / "building"
    try:
        native = None if options.arch == os.uname().machine else native_python(where, pins)
        made = build(options.arch, pins, work, native, options.jobs, _say)
    except (BundleRefused, RuntimeUnavailable, OSError) as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    kept = own_archive(options.arch, where.runtimes[-1])
    kept.parent.mkdir(parents=True, exist_ok=True)
    made.replace(kept)
    sys.stdout.write(f"{kept}: sha256 {sha256_of(kept)}\n")
    return 0
