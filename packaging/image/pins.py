"""What of others' goes into an image, pinned: `pins.json` read into frozen values. No network, no clock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PINS = Path(__file__).resolve().parent / "pins.json"

DEBIAN = {"x86_64": "amd64", "aarch64": "arm64"}
"""A machine as Debian, and as OCI, call it."""


@dataclass(frozen=True)
class Package:
    """A binary package of Debian's, the files taken out of it, and the folder that has the texts of its licence.

    `component` is what it is of, `source` the source package that it was built from. `sha256` by machine.
    """

    name: str
    version: str
    source: str
    component: str
    licence: str
    files: tuple[str, ...]
    sha256: Mapping[str, str]

    @property
    def purl(self) -> str:
        return f"pkg:deb/debian/{self.name}@{self.version}"


@dataclass(frozen=True)
class Wheel:
    """A tool that checks what was made, and never ships: a wheel of the package index."""

    wheel: str
    version: str
    sha256: str


@dataclass(frozen=True)
class Pins:
    """`suite` is the release of Debian that has the packages."""

    suite: str
    packages: tuple[Package, ...]
    helm: Wheel
    schemas: Wheel


def read_image_pins(file: Path = PINS) -> Pins:
    """The pins as they stand in the tree. Raises KeyError where one is missing: the file is ours."""
    text = json.loads(file.read_text("utf-8"))
    return Pins(
        suite=text["suite"],
        packages=tuple(Package(**{**each, "files": tuple(each["files"])}) for each in text["packages"]),
        helm=Wheel(**text["helm"]),
        schemas=Wheel(**text["schemas"]),
    )
