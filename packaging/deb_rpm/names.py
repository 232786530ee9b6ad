"""What a release is called among packages. Pure.

Promise: dpkg and rpm sort these versions as the installer does. What comes before a release (1.2.0rc1) is written
with a tilde, which both sort before the end of a name; a version that is neither is refused, because nobody could say
how it sorts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from bundle.errors import BundleRefused

PACKAGE = "ao-appliance"
TREES = PurePosixPath("/usr/lib") / PACKAGE
RPM_RELEASE = "1"
MACHINES: Mapping[str, Mapping[str, str]] = {
    "deb": {"x86_64": "amd64", "aarch64": "arm64"},
    "rpm": {"x86_64": "x86_64", "aarch64": "aarch64"},
}
_VERSION = re.compile(r"((?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){2})(?:[-.]?(alpha|beta|rc)[-.]?(0|[1-9]\d*))?")


@dataclass(frozen=True)
class Name:
    """One package: `kind` is deb or rpm, `version` as that package manager sorts it, `machine` as it calls it."""

    kind: str
    version: str
    machine: str

    @property
    def file(self) -> str:
        if self.kind == "deb":
            return f"{PACKAGE}_{self.version}_{self.machine}.deb"
        return f"{PACKAGE}-{self.version}-{RPM_RELEASE}.{self.machine}.rpm"


def name_of(kind: str, version: str, arch: str) -> Name:
    """Raises BundleRefused for a version that has no place in the order of packages."""
    return Name(kind, packaged_version(version), MACHINES[kind][arch])


def packaged_version(version: str) -> str:
    found = _VERSION.fullmatch(version)
    if found is None:
        raise BundleRefused(
            f"{version} cannot be a package's version: 1.2.3, or 1.2.3 with alpha, beta or rc and a number."
        )
    numbers, stage, count = found.groups()
    return f"{numbers}~{stage}{count}" if stage else numbers


def tree_of(version: str) -> PurePosixPath:
    """Where the package keeps its release: one folder a version, so that at no moment two releases lie in one."""
    return TREES / version
