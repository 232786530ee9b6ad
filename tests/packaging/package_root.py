"""A root of its own for dpkg and rpm: this machine's files, and over them a layer in memory that nobody else sees.

Both are real, and so is what their scripts start. systemd does not run there, as in the making of an image. A root that
boots is for `make test-hosts`.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.real.processes import ROOT

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
SECONDS = 120
_MOUNTS = """
set -eu
mount -t tmpfs -o mode=0755 tmpfs "$1"
cd "$1"
mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir="$1/upper",workdir="$1/work" "$1/root"
for name in proc dev; do mount --rbind /$name root/$name; done
at=$1
shift
for place; do mkdir -p "$at/root$place"; mount --bind "$place" "$at/root$place"; done
echo ready
exec sleep infinity
"""


@dataclass(frozen=True)
class PackageRoot:
    """`folder` is the root as it can be read from here."""

    folder: Path
    pid: int
    inside: Path

    def run(self, *command: str, code: int | None = 0, env: dict[str, str] | None = None) -> str:
        """Everything that it wrote. `code` None: whatever it ends with."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.pid), "-m", "chroot", str(self.inside), *command],
            env={**ENVIRONMENT, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert code is None or done.returncode == code, (command, done.returncode, done.stdout)
        return done.stdout


@contextmanager
def package_root() -> Iterator[PackageRoot]:
    if os.geteuid() != 0:
        pytest.skip("only root can lay one root over another")
    with tempfile.TemporaryDirectory(prefix="ao-package-root-") as folder:
        places = sorted({str(ROOT), sys.prefix, sys.base_prefix} - {"/usr"})
        holder = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "-m", "--propagation", "private"]
            + ["sh", "-c", _MOUNTS, "sh", folder, *places],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            assert holder.stdout is not None
            if holder.stdout.readline() != b"ready\n":
                _, why = holder.communicate()
                pytest.skip(f"this machine cannot lay one root over another: {why.decode()[-300:]}")
            inside = Path(folder) / "root"
            yield PackageRoot(Path(f"/proc/{holder.pid}/root{inside}"), holder.pid, inside)
        finally:
            with_all = holder.poll() is None
            if with_all:
                os.killpg(holder.pid, signal.SIGKILL)
            holder.communicate()


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
