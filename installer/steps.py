"""What a step is: one change to a host, small enough to be done, recognised as done, and taken back.

Promise: pure. A step holds all that it needs, and prints as one line; `perform.py` carries it out. Paths are the
host's own names (layout.py). A step's `key` is the same whenever the same change is planned again: by it the record
knows what was there before.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True, slots=True)
class Owner:
    """By name, because numbers differ between hosts."""

    user: str = "root"
    group: str = "root"


ROOT = Owner()


@dataclass(frozen=True, slots=True)
class MakeUser:
    """A system user of that name with a group of its own, no shell, no password."""

    name: str
    home: PurePosixPath

    @property
    def key(self) -> str:
        return f"user {self.name}"

    def __str__(self) -> str:
        return f"make the system user {self.name}, who cannot log in"


@dataclass(frozen=True, slots=True)
class MakeFolder:
    """`holds_data`: what is in it is not the installer's; it goes only where somebody asks for that."""

    path: PurePosixPath
    mode: int = 0o755
    owner: Owner = ROOT
    holds_data: bool = False

    @property
    def key(self) -> str:
        return f"folder {self.path}"

    def __str__(self) -> str:
        return f"make the folder {self.path} ({self.mode:04o} {self.owner.user}:{self.owner.group})"


@dataclass(frozen=True, slots=True)
class CopyRelease:
    """A release's tree, checked against its MANIFEST before and after; whole under its name or not there."""

    source: PurePosixPath
    version: str
    target: PurePosixPath

    @property
    def key(self) -> str:
        return f"release {self.version}"

    def __str__(self) -> str:
        return f"copy release {self.version} to {self.target} and check every file"


@dataclass(frozen=True, slots=True)
class WriteFile:
    """`once`: made where there is none, and from then on the operator's."""

    path: PurePosixPath
    content: bytes
    mode: int = 0o644
    owner: Owner = ROOT
    once: bool = False
    holds_data: bool = False

    @property
    def key(self) -> str:
        return f"file {self.path}"

    def __str__(self) -> str:
        kept = ", unless there is one" if self.once else ""
        return f"write {self.path} ({len(self.content)} bytes, {self.mode:04o}){kept}"


@dataclass(frozen=True, slots=True)
class RemoveFile:
    """A file that an earlier run wrote and that is not wanted any more."""

    path: PurePosixPath

    @property
    def key(self) -> str:
        return f"file {self.path}"

    def __str__(self) -> str:
        return f"remove {self.path}, if it is there"


@dataclass(frozen=True, slots=True)
class PointLink:
    """A symbolic link, put in place in one move."""

    path: PurePosixPath
    target: PurePosixPath

    @property
    def key(self) -> str:
        return f"link {self.path}"

    def __str__(self) -> str:
        return f"point {self.path} to {self.target}"


@dataclass(frozen=True, slots=True)
class ReloadUnits:
    """Not recognised as done: telling systemd twice is harmless."""

    @property
    def key(self) -> str:
        return "reload"

    def __str__(self) -> str:
        return "have systemd read its units again"


@dataclass(frozen=True, slots=True)
class StartUnit:
    unit: str

    @property
    def key(self) -> str:
        return f"start {self.unit}"

    def __str__(self) -> str:
        return f"start {self.unit}"


Step = MakeUser | MakeFolder | CopyRelease | WriteFile | RemoveFile | PointLink | ReloadUnits | StartUnit
