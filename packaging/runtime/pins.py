"""What the runtime is made of, pinned: `pins.json` read into frozen values. No network, no clock."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PINS = HERE / "pins.json"
PROFILE = HERE / "cpython.profdata"
"""What the gateway's load runs of the interpreter, and how often: `make runtime-profile` counts it anew."""
INPUTS = ("pins.json", "build.py", "recipes.py", PROFILE.name)
"""The files that decide what a build makes: a change in one of them makes another runtime."""


@dataclass(frozen=True)
class Archive:
    """A file known by its SHA-256; `built_in` is the folder whose name its binaries still bear."""

    name: str
    sha256: str
    built_in: str


@dataclass(frozen=True)
class Source:
    """An upstream's archive as a distribution keeps it, and the package that fetches it."""

    name: str
    version: str
    package: str
    package_version: str
    file: str
    sha256: str


@dataclass(frozen=True)
class Pins:
    """`suite` is the distribution's release that has the sources; `zig` and its hash, the wheel of the compiler."""

    python: str
    zig: str
    zig_sha256: str
    epoch: int
    suite: str
    sources: tuple[Source, ...]
    prebuilt: Mapping[str, Archive]


def read_pins(file: Path = PINS) -> Pins:
    """The pins as they stand in the tree. Raises KeyError where one is missing: the file is ours."""
    text = json.loads(file.read_text("utf-8"))
    return Pins(
        python=text["python"],
        zig=text["zig"],
        zig_sha256=text["zig_sha256"],
        epoch=text["epoch"],
        suite=text["suite"],
        sources=tuple(Source(**each) for each in text["sources"]),
        prebuilt={arch: Archive(**each) for arch, each in text["prebuilt"].items()},
    )


def inputs_key() -> str:
    """What a runtime built from this tree is kept under: it changes with whatever could change the runtime."""
    digest = hashlib.sha256()
    for name in INPUTS:
        file = HERE / name
        digest.update(f"{name}\0".encode() + (file.read_bytes() if file.exists() else b"") + b"\0")
    return digest.hexdigest()[:16]
