"""The commands of `python packaging/runtime`: parse, call, say what was made."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from bundle.errors import BundleRefused
from bundle.places import Places, places
from bundle.tree import native_python
from runtime.build import build
from runtime.cache import own_archive, sha256_of
from runtime.errors import RuntimeUnavailable
from runtime.pins import PROFILE, read_pins
from runtime.profile import count_anew


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 made, 1 it cannot be made, 2 wrong use."""
    parser = argparse.ArgumentParser(prog="python packaging/runtime", description=__doc__)
    commands = parser.add_subparsers(required=True)
    build_command = commands.add_parser("build", help="build the runtime from its sources (10 to 20 minutes)")
    build_command.add_argument("--arch", choices=("x86_64", "aarch64"), required=True)
    build_command.add_argument("--unless-kept", action="store_true", help="nothing to do where this one is kept")
    build_command.set_defaults(run=_build)
    profile_command = commands.add_parser("profile", help="count anew what the gateway runs of the interpreter")
    profile_command.set_defaults(run=_profile)
    for command in (build_command, profile_command):
        command.add_argument("--jobs", type=int, default=1)
        command.add_argument("--work", type=Path, help="where to build, and to go on building  [default: in the cache]")
    options = parser.parse_args(arguments)
    try:
        options.run(options, places(os.environ, Path.home()))
    except (BundleRefused, RuntimeUnavailable, OSError) as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    return 0


def _build(options: argparse.Namespace, where: Places) -> None:
    kept, pins = own_archive(options.arch, where.runtimes[-1]), read_pins()
    if not (options.unless_kept and kept.is_file()):
        native = None if options.arch == os.uname().machine else native_python(where, pins)
        made = build(options.arch, pins, _work(options, where), native, options.jobs, _say)
        kept.parent.mkdir(parents=True, exist_ok=True)
        made.replace(kept)
    sys.stdout.write(f"{kept}: sha256 {sha256_of(kept)}\n")


def _profile(options: argparse.Namespace, where: Places) -> None:
    count_anew(read_pins(), _work(options, where), where.root, PROFILE, options.jobs, _say)
    sys.stdout.write(f"{PROFILE}: sha256 {sha256_of(PROFILE)}\n")


def _work(options: argparse.Namespace, where: Places) -> Path:
    work: Path = options.work or where.cache / "building"
    return work
