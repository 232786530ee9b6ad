"""A host that runs containers and has no network: podman in namespaces of its own, gone with all it started.

Its mounts, network and processes are its own, and so is its store of images. Control groups are left out: nested hosts
give none away. What runs in a container is confined by user, capabilities, system calls and read-only root as anywhere.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.real.processes import ROOT, Process, program_environment, wait_until
from tests.real.site_and_vendor import Done

PROGRAMS = ("podman", "crun", "conmon", "unshare", "nsenter", "curl")
COMMAND_SECONDS = 120

# The kernel's two generations of control groups may be mixed here, which the runtime does not bear.
_HOLD = (
    "mount -t tmpfs tmpfs /dev/shm &&"  # where podman keeps its locks, by one name for all
    " mount -t tmpfs tmpfs /mnt && mkdir /mnt/run /mnt/tmp &&"  # podman bears no long path for these
    " mount -t tmpfs tmpfs /sys/fs/cgroup && umount /sys/fs/cgroup; umount -l /sys/fs/cgroup 2>/dev/null;"
    " mount -t cgroup2 cgroup2 /sys/fs/cgroup && ip link set lo up && echo held && exec sleep infinity"
)
_NO_GROUPS = ("--cgroups=disabled", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024")


@dataclass(frozen=True, slots=True)
class ContainerHost:
    """`folder` holds its images; `leader` is the process whose namespaces it is."""

    folder: Path
    leader: int

    @staticmethod
    @contextmanager
    def started(folder: Path) -> Iterator[ContainerHost]:
        missing = [each for each in PROGRAMS if shutil.which(each) is None]
        if missing or os.geteuid() != 0:
            pytest.skip(f"it takes root and {', '.join(missing) or 'nothing else'}")
        hold = ["unshare", "--mount", "--propagation", "private", "--net", "--pid", "--fork", "--kill-child"]
        with Process.started([*hold, "--mount-proc", "sh", "-c", _HOLD], folder / "host.log") as process:
            wait_until(lambda: "held" in process.said(), "the host's namespaces are made")
            yield ContainerHost(folder, process.tree()[1])
        shutil.rmtree(folder / "root", ignore_errors=True)

    def inside(self, *command: str) -> list[str]:
        """The words that run a command in these namespaces."""
        return ["nsenter", "-t", str(self.leader), "-m", "-n", "-p", *command]

    def podman(self, *words: str) -> list[str]:
        store = [f"--root={self.folder / 'root'}", "--runroot=/mnt/run", "--tmpdir=/mnt/tmp"]
        how = ["--cgroup-manager=cgroupfs", "--events-backend=none", "--runtime=crun"]
        return self.inside("podman", *store, *how, *words)

    def run(self, command: Sequence[str], *, expect: int | None = 0) -> Done:
        ended = subprocess.run(
            command,
            check=False,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=COMMAND_SECONDS,
            env=program_environment(),
            cwd=ROOT,
        )
        done = Done(ended.returncode, ended.stdout.decode("utf-8", "replace"), ended.stderr.decode("utf-8", "replace"))
        assert expect is None or done.exit_code == expect, (command, done)
        return done

    def load(self, archive: Path) -> str:
        """Loads an image from its file; its digest as the host then knows it."""
        self.run(self.podman("load", "--quiet", "--input", str(archive)))
        (known,) = json.loads(self.run(self.podman("images", "--format=json")).out)
        return str(known["Digest"])

    def start(self, name: str, image: str, *options: str) -> Container:
        """As an operator would: no way to write but the volumes, no capability, no new privilege."""
        confined = ["--read-only", "--read-only-tmpfs=false", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
        words = [
            "run",
            "--detach",
            "--pull=never",
            f"--name={name}",
            "--network=host",
            *confined,
            *_NO_GROUPS,
            *options,
        ]
        self.run(self.podman(*words, image))
        return Container(self, name)


@dataclass(frozen=True, slots=True)
class Container:
    host: ContainerHost
    name: str

    def exec(self, *command: str, expect: int | None = 0) -> Done:
        return self.host.run(self.host.podman("exec", self.name, *command), expect=expect)

    def ao(self, *words: str, expect: int = 0) -> dict[str, object]:
        """`ao … --json` in the container."""
        return self.exec("ao", *words, "--json", expect=expect).data

    def python(self, code: str) -> str:
        """The release's own Python, which is the one other program that is there."""
        return self.exec("/opt/ao/release/runtime/bin/python3", "-I", "-B", "-c", code).out.strip()

    def said(self) -> str:
        done = self.host.run(self.host.podman("logs", self.name))
        return done.out + done.err

    def state(self) -> dict[str, object]:
        found = json.loads(self.host.run(self.host.podman("inspect", self.name)).out)[0]["State"]
        assert isinstance(found, dict)
        return found

    def stop(self) -> float:
        """SIGTERM, and a minute's patience; the seconds that it took."""
        began = time.monotonic()
        self.host.run(self.host.podman("stop", "--time=60", self.name))
        return time.monotonic() - began

    def remove(self) -> None:
        self.host.run(self.host.podman("rm", "--force", "--time=0", self.name))
