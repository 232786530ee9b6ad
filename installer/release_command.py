"""The installed release's own `ao …`, asked as a program and answered in JSON.

The installer may be older than the release: it never runs the release's code in its own process. What concerns the
state is asked as the user whom the state belongs to, so that nothing in it becomes root's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from installer.errors import ReleaseRefused, ReleaseUnusable
from installer.layout import CURRENT
from licensing.shown import shown

INSTALLED: Final = Path(CURRENT / "bin" / "ao")
SECONDS: Final = 300
_KEPT: Final = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "HOME", "CREDENTIALS_DIRECTORY")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said in JSON; `exit_code` may tell of the licence's rung (20-28) without being a refusal."""

    data: dict[str, Any]
    exit_code: int


@dataclass(frozen=True, slots=True)
class ReleaseCommand:
    """`program` is the release's `ao`; state and settings are named to each call that takes them."""

    program: Path
    state_dir: Path
    settings: Path | None
    environment: Mapping[str, str] = field(default_factory=dict)
    as_owner: bool = True

    def as_root(self) -> ReleaseCommand:
        """As this process's own user: for what only root may write, such as a medium that root has mounted."""
        return replace(self, as_owner=False)

    def with_settings(self, file: Path) -> ReleaseCommand:
        return replace(self, settings=file)

    def has(self, *words: str) -> bool:
        """Whether this release knows a command."""
        return self._run([*words, "--help"], None).returncode == 0

    def ask(self, *words: str, typed: bytes | None = None) -> Answer:
        """Raises ReleaseRefused with what it refused, ReleaseUnusable where it cannot be understood.

        `typed` is given to it on its standard input, for secrets that must not be arguments.
        """
        done = self._run(self.spelt(*words), typed)
        told = done.stdout.decode("utf-8", "replace").strip()
        try:
            data = json.loads(told)
        except ValueError as error:
            first = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
            raise ReleaseUnusable(
                f"`ao {words[0]}` ended with {done.returncode} and said nothing that can be read: "
                f"{shown(first, 300) or 'nothing'}.",
                where=str(self.program),
            ) from error
        if not isinstance(data, dict):
            raise ReleaseUnusable(f"`ao {words[0]}` answered with no object.", where=str(self.program))
        fault = data.get("error")
        if isinstance(fault, dict) and "code" in fault and "message" in fault:
            raise ReleaseRefused({str(name): str(value) for name, value in fault.items()}, done.returncode)
        return Answer(data, done.returncode)

    def spelt(self, *words: str) -> list[str]:
        """The call in full, without the program: what a person would type."""
        settings = ["--settings", str(self.settings)] if self.settings and self.settings.exists() else []
        return [*words, "--json", "--state-dir", str(self.state_dir), *settings]

    def _run(self, words: list[str], typed: bytes | None) -> subprocess.CompletedProcess[bytes]:
        owner = self._owner()
        become: dict[str, Any] = {} if owner is None else {"user": owner[0], "group": owner[1], "extra_groups": []}
        try:
            return subprocess.run(
                [str(self.program), *words],
                input=typed if typed is not None else b"",
                capture_output=True,
                check=False,
                timeout=SECONDS,
                cwd="/",
                env={name: self.environment[name] for name in _KEPT if name in self.environment},
                **become,
            )
        except OSError as error:
            raise ReleaseUnusable(
                f"It cannot be run: {error.strerror}.",
                where=str(self.program),
                remedy="Install a release first, or name its command with --ao PATH.",
            ) from error
        except subprocess.TimeoutExpired as error:
            raise ReleaseUnusable(f"It gave no answer within {SECONDS} s.", where=str(self.program)) from error

    def _owner(self) -> tuple[int, int] | None:
        """Whom the state belongs to, where that is somebody else and this process may become that."""
        if not self.as_owner:
            return None
        try:
            facts = self.state_dir.stat()
        except OSError:
            return None
        return (facts.st_uid, facts.st_gid) if os.geteuid() == 0 and facts.st_uid != 0 else None

    def hand_over(self, file: Path) -> None:
        """Makes a file of this process one that the release can read when it is asked as the state's owner."""
        owner = self._owner()
        if owner is not None:
            os.chown(file, *owner)


def find_release(named: Path | None, argv0: str | None = None) -> Path:
    """The release's `ao`: as named, else the installed one, else the one that this program is."""
    if named is not None:
        return named.absolute()
    if INSTALLED.is_file():
        return INSTALLED
    here = Path(argv0 if argv0 is not None else sys.argv[0])
    return here.absolute() if here.name == "ao" and here.is_file() else Path(sys.executable).with_name("ao")
