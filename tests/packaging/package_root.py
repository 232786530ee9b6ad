"""A root of its own for dpkg and rpm: this machine's files, and over them a layer in memory that nobody else sees.

Both are real, and so is what their scripts start. systemd does not run there, as in the making of an image. A root that
boots is for `make test-hosts`.
"""

from __future__ import annotations

import hashlib
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

from tests.real.hosts.booted_host import tree_of
from tests.real.processes import ROOT

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
SECONDS = 120
BY_ITSELF = (
    *("var/lib/dpkg", "var/lib/rpm", "var/log", "var/tmp", "var/cache", "tmp", "root", "etc/.pwd.lock"),
    *("etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-", "etc/subuid-", "etc/subgid-"),
)
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
    """`folder` is the root as it can be read from here, `layer` what in it is not as on this machine."""

    folder: Path
    layer: Path
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

    def changed(self) -> dict[str, tuple[object, ...]]:
        """Every name that is not as on this machine, but for what package managers and useradd note of themselves."""
        found = tree_of(self.layer, without=BY_ITSELF)
        return {name: facts for name, facts in found.items() if not _is_as_here(Path("/") / name, facts)}


def _is_as_here(file: Path, facts: tuple[object, ...]) -> bool:
    if not os.path.lexists(file):
        return False
    here = file.lstat()
    digest = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() and not file.is_symlink() else None
    return (here.st_mode, here.st_uid, here.st_gid, digest) == facts


@contextmanager
def package_root() -> Iterator[PackageRoot]:
    if os.geteuid() != 0:
        pytest.skip("only root can lay one root over another")
    with tempfile.TemporaryDirectory(prefix="ao-package-root-") as folder:
        places = sorted({str(ROOT), sys.prefix, sys.base_prefix} - {"/usr"})
        holder = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "KILL", "unshare", "-m", "--propagation", "private"),
                *("sh", "-c", _MOUNTS, "sh", folder, *places),
            ],
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
            seen = Path(f"/proc/{holder.pid}/root{folder}")
            yield PackageRoot(seen / "root", seen / "upper", holder.pid, inside)
        finally:
            if holder.poll() is None:
                os.killpg(holder.pid, signal.SIGKILL)
            holder.communicate()


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
