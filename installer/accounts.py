"""Users of a root: read from its own files, made and removed with the host's useradd and userdel.

`--prefix` lets them work on a root that is not running, without entering it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from installer.errors import StepFailed
from installer.host import Programs, on_disk
from installer.layout import Layout
from installer.steps import Owner

_NO_LOGIN = "/usr/sbin/nologin"


@dataclass(frozen=True, slots=True)
class Accounts:
    layout: Layout
    programs: Programs

    def has(self, name: str) -> bool:
        return self._number("passwd", name) is not None and self._number("group", name) is not None

    def ids(self, owner: Owner) -> tuple[int, int]:
        """Numbers of a user and a group in this root; root is 0 also where a root has no such files."""
        return self._named("passwd", owner.user), self._named("group", owner.group)

    def add(self, name: str, home: PurePosixPath) -> None:
        options = ["--system", "--no-create-home", "--home-dir", str(home), "--shell", _NO_LOGIN]
        if self._number("passwd", name) is not None:
            raise StepFailed(f"There is a user {name} without a group of that name.", where="/etc/group")
        group = ["-g", name] if self._number("group", name) is not None else ["--user-group"]
        self.programs.run("useradd", *self._prefix(), *options, *group, name)

    def home(self, name: str) -> str | None:
        file = on_disk(self.layout, PurePosixPath("/etc/passwd"))
        return next((line[5] for line in _lines(file) if line[0] == name and len(line) > 6), None)

    def remove(self, name: str) -> None:
        """The user, and the group that came with it."""
        if self._number("passwd", name) is not None:
            self.programs.run("userdel", *self._prefix(), name)
        if self._number("group", name) is not None:
            self.programs.run("groupdel", *self._prefix(), name)

    def _prefix(self) -> list[str]:
        return [] if self.layout.is_this_host else ["--prefix", str(self.layout.root)]

    def _named(self, kind: str, name: str) -> int:
        if name == "root":
            return 0
        number = self._number(kind, name)
        if number is None:
            raise StepFailed(f"There is no {name} in it.", where=f"/etc/{kind}")
        return number

    def _number(self, kind: str, name: str) -> int | None:
        file = on_disk(self.layout, PurePosixPath("/etc") / kind)
        return next((int(line[2]) for line in _lines(file) if line[0] == name and len(line) > 3), None)


def _lines(file: Path) -> list[list[str]]:
    try:
        return [line.split(":") for line in file.read_text("utf-8", errors="replace").splitlines()]
    except FileNotFoundError:
        return []
