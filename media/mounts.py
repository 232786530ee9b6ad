"""Reading the kernel's table of mounts (pure; proc(5), /proc/<pid>/mountinfo)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SAFE_OPTIONS: Final = ("ro", "nosuid", "nodev", "noexec")
"""How a medium that nobody trusts should be mounted to be read."""

_OCTAL: Final = re.compile(r"\\([0-7]{3})")
_NO_MEDIUM: Final = frozenset(
    {"proc", "sysfs", "tmpfs", "devtmpfs", "devpts", "cgroup", "cgroup2", "overlay", "squashfs", "bpf", "mqueue"}
)
_THE_HOSTS_OWN: Final = tuple(Path(name) for name in ("/boot", "/efi", "/etc", "/home", "/opt", "/usr", "/var"))


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount. `id` is the kernel's, another one each time; `device` is "major:minor".

    `options` are those of the mount and of its filesystem together.
    """

    id: str
    device: str
    root: str
    path: Path
    filesystem: str
    source: str
    options: frozenset[str]

    @property
    def missing_options(self) -> tuple[str, ...]:
        """Which of SAFE_OPTIONS it lacks."""
        return tuple(option for option in SAFE_OPTIONS if option not in self.options)

    @property
    def writable(self) -> bool:
        return "ro" not in self.options


def parse_mounts(text: str) -> list[Mount]:
    """The mounts in the kernel's order, later ones over earlier ones. Lines that are no mount are left out."""
    found = []
    # The kernel escapes line feeds and no other line ends: a label may hold those.
    for line in text.split("\n"):
        before, separator, after = line.partition(" - ")
        fields, rest = before.split(" "), after.split(" ")
        if not separator or len(fields) < 6 or len(rest) < 3:
            continue
        options = {*fields[5].split(","), *(option for option in rest[2].split(",") if option == "ro")}
        found.append(
            Mount(
                fields[0],
                fields[2],
                _unescaped(fields[3]),
                Path(_unescaped(fields[4])),
                rest[0],
                _unescaped(rest[1]),
                frozenset(options),
            )
        )
    return found


def mount_of(mounts: list[Mount], path: Path) -> Mount | None:
    """The mount that an absolute, resolved path lies on: the last of the longest that lead there."""
    holding = [mount for mount in mounts if path.is_relative_to(mount.path)]
    return max(enumerate(holding), key=lambda each: (len(each[1].path.parts), each[0]))[1] if holding else None


def may_be_medium(mount: Mount) -> bool:
    """Whether a filesystem of this kind, in this place, can lie on something that is carried.

    What the host itself runs from is no medium, also where it runs from a stick.
    """
    return mount.filesystem not in _NO_MEDIUM and mount.root == "/" and not _belongs_to_the_host(mount.path)


def _belongs_to_the_host(path: Path) -> bool:
    return path == Path("/") or any(path.is_relative_to(folder) for folder in _THE_HOSTS_OWN)


def _unescaped(text: str) -> str:
    # The kernel writes blanks, tabs, line ends and backslashes as three octal digits; the bytes are a file name's.
    raw = _OCTAL.sub(lambda found: chr(int(found.group(1), 8)), text)
    return raw.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
