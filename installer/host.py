"""The host as the plan needs to know it, and the few programs of the host that the installer runs.

`Programs` is the only place that starts one; each has a fixed path, a plain environment and a time limit.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from installer.errors import NotRoot, StepFailed
from installer.layout import DATABASE, SECRETS, Layout
from installer.plan import Host
from licensing.shown import shown

_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
_SECONDS = 60.0
_LIBRARY = re.compile(r"libsystemd-shared-(\d+)")
_LIBRARY_PLACES = (
    "usr/lib/systemd/libsystemd-shared-*",
    "lib/systemd/libsystemd-shared-*",
    "usr/lib64/systemd/libsystemd-shared-*",
    "usr/lib/*/systemd/libsystemd-shared-*",
)
_SECRET_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True)
class Programs:
    """Runs programs of this host."""

    def run(self, *command: str, seconds: float = _SECONDS) -> str:
        """What it wrote. Raises StepFailed."""
        try:
            done = subprocess.run(
                command,
                env=_ENVIRONMENT,
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except FileNotFoundError as exc:
            raise StepFailed(f"This host has no {command[0]}.", where=command[0]) from exc
        except subprocess.TimeoutExpired as exc:
            raise StepFailed(f"It did not end within {seconds:.0f} seconds.", where=" ".join(command)) from exc
        if done.returncode != 0:
            why = shown(
                (done.stderr or done.stdout).strip().splitlines()[-1] if (done.stderr or done.stdout).strip() else ""
            )
            raise StepFailed(f"It ended with {done.returncode}: {why}", where=" ".join(command))
        return done.stdout

    def succeeds(self, *command: str) -> bool:
        try:
            self.run(*command)
        except StepFailed:
            return False
        return True


def on_disk(layout: Layout, path: PurePosixPath) -> Path:
    return Path(layout.on_disk(path))


def require_root() -> None:
    if os.geteuid() != 0:
        raise NotRoot("This changes the host and needs root.")


def look_at_host(layout: Layout, programs: Programs) -> Host:
    """Facts for the plan. Changes nothing."""
    return Host(
        layout=layout,
        systemd=_systemd_version(layout),
        running=layout.is_this_host
        and Path("/run/systemd/system").is_dir()
        and programs.succeeds("systemctl", "list-units", "-q", "--no-legend", "init.scope"),
        may_serve=on_disk(layout, DATABASE).is_file(),
        secrets=_secret_names(on_disk(layout, SECRETS)),
    )


def _systemd_version(layout: Layout) -> int:
    """By the name of its library, which is there also in a root that is not running. 0 where there is none."""
    found = [
        int(match[1])
        for pattern in _LIBRARY_PLACES
        for file in Path(layout.root).glob(pattern)
        if (match := _LIBRARY.match(file.name))
    ]
    return max(found, default=0)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(each.name for each in folder.iterdir())
    except OSError:
        return []


def _secret_names(folder: Path) -> tuple[str, ...]:
    """Files that can be credentials; another name could not be written in a config's ${NAME} either."""
    return tuple(name for name in _names(folder) if _SECRET_NAME.fullmatch(name) and (folder / name).is_file())
