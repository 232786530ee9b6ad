"""A Debian host that boots: its own systemd in a container without any network but its own loopback.

The root is made once for a suite (`.cache/roots`, from the mirror that this machine's own sources name) and unpacked
anew for each host. What is bound into it can be looked at from both sides.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.real.processes import ROOT

MEMORY = Path("/dev/shm")
PLENTY_BYTES = 8 * 2**30
ON_DISK = "AO_HOSTS_ON_DISK"
"""Set it, and hosts lie on the disk all the same: for figures of how long something takes."""
CACHE = ROOT / ".cache" / "roots"
PACKAGES = "systemd,systemd-sysv,dbus,passwd"
# A control group of its own: two hosts in one would have one ao.service, with the address policy of whichever was last.
BEFORE_BOOT = """\
mount -t tmpfs tmpfs /run
mkdir /run/systemd /run/groups
mount -t cgroup2 cgroup2 /run/groups
mkdir /run/groups/$1
echo $$ >/run/groups/$1/cgroup.procs
umount /run/groups
rmdir /run/groups
shift
exec "$@"
"""
AFTER_BOOT = """\
mount -t tmpfs tmpfs /run
mkdir /run/groups
mount -t cgroup2 cgroup2 /run/groups
cd /run/groups/$1
[ ! -e cgroup.kill ] || echo 1 >cgroup.kill
for _ in $(seq 100); do
  if find . -mindepth 1 -depth -type d -exec rmdir {} + 2>/dev/null && rmdir /run/groups/$1; then exit 0; fi
  sleep 0.05  # until the last process in it has ended
done
exit 1
"""
BOOT_SECONDS = 60.0
COMMAND_SECONDS = 300.0
INSIDE = ("-m", "-u", "-i", "-n", "-p", "-r", "-w")
_PROGRAMS = ("mmdebstrap", "systemd-nspawn", "nsenter", "unshare")


@dataclass(frozen=True, slots=True)
class Ended:
    exit_code: int
    out: str
    err: str


@dataclass(slots=True)
class BootedHost:
    """`folder` is its root as seen from here."""

    folder: Path
    binds: Mapping[str, Path] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None
    _leader: int = 0
    _group: str = ""

    def boot(self) -> float:
        """Returns the seconds until systemd has started what it starts."""
        begun = time.monotonic()
        binds = [f"--bind={outside}:{inside}" for inside, outside in self.binds.items()]
        nspawn = [
            *("systemd-nspawn", "--register=no", "--keep-unit", "-q", "-D", str(self.folder), "--boot"),
            # Without these two, IPAddressDeny= is silently not enforced in a container.
            *("--capability=CAP_BPF", "--system-call-filter=bpf"),
            *("--private-network", "--console=read-only", *binds),
        ]
        self._group = f"ao-host-{os.getpid()}-{time.monotonic_ns()}"
        with self._console.open("ab") as console:
            self._process = subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig", "KILL", "unshare", "-m", "--propagation", "private"),
                    *("sh", "-euc", BEFORE_BOOT, "sh", self._group),
                    *nspawn,
                ],
                env={"PATH": os.environ["PATH"], "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "yes"},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        deadline = begun + BOOT_SECONDS
        while time.monotonic() < deadline:
            assert self._process.poll() is None, f"the host ended while it booted:\n{self._said()}"
            self._leader = self._leader or self._find_leader()
            if self._leader and self._is_up():
                return time.monotonic() - begun
            time.sleep(0.05)
        raise AssertionError(f"the host did not boot:\n{self._said()}")

    @property
    def _console(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.console")

    def _said(self) -> str:
        return self._console.read_bytes()[-4000:].decode("utf-8", "replace")

    def run(self, *command: str, check: bool = True, stdin: bytes = b"") -> Ended:
        """A command as root inside."""
        done = subprocess.run(
            ["nsenter", "-t", str(self._leader), *INSIDE, *command],
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
            input=stdin,
            capture_output=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        ended = Ended(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))
        assert not check or done.returncode == 0, (command, ended)
        return ended

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """The same, without waiting for it."""
        return subprocess.Popen(
            ["nsenter", "-t", str(self._leader), *INSIDE, *command],
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def on_its_network(self, *command: str) -> str:
        """A tool of this machine, on the host's network."""
        done = subprocess.run(
            ["nsenter", "-t", str(self._leader), "-n", *command], capture_output=True, text=True, check=True
        )
        return done.stdout

    def start_outside(self, *command: str, out: BinaryIO) -> subprocess.Popen[bytes]:
        """A program of this machine that meets the host's network alone: somebody else's computer, as it were."""
        return subprocess.Popen(
            ["nsenter", "-t", str(self._leader), "-n", *command],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.PIPE,
            cwd=ROOT,
        )

    def power_off(self) -> None:
        """In order, as by its button."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.kill(self._leader, signal.SIGRTMIN + 4)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(30)
        self.cut_power()

    def cut_power(self) -> None:
        if self._process is not None and self._process.poll() is None:
            with suppress(ProcessLookupError):
                if self._leader:
                    os.kill(self._leader, signal.SIGKILL)  # with it goes everything within
            self._process.kill()
            self._process.wait()
        self._process, self._leader = None, 0
        if self._group:
            # What its systemd has made there stays when it is killed, and empty groups are all that is left of it.
            subprocess.run(["unshare", "-m", "sh", "-euc", AFTER_BOOT, "sh", self._group], check=False)
            self._group = ""

    def _is_up(self) -> bool:
        told = self.run("systemctl", "is-system-running", check=False).out.strip()
        return told in ("running", "degraded")

    def _find_leader(self) -> int:
        """systemd within: the child of the process that became systemd-nspawn."""
        assert self._process is not None
        with suppress(OSError, IndexError):
            pid = self._process.pid
            child = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
            if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return child
        return 0


@contextmanager
def host_of(
    suite: str, folder: Path, binds: Mapping[str, Path] | None = None, also: str | None = None
) -> Iterator[BootedHost]:
    """A fresh host, not booted yet; off and gone at the end. `also`: a package that it has besides."""
    _need()
    with _place(folder) as place:
        yield from _host_in(place, suite, binds, also)


def _host_in(place: Path, suite: str, binds: Mapping[str, Path] | None, also: str | None) -> Iterator[BootedHost]:
    root = place / suite
    root.mkdir(parents=True)
    subprocess.run(["tar", "-C", str(root), "--xattrs", "-xf", str(_archive(suite, also))], check=True)
    host = BootedHost(root, binds or {})
    try:
        yield host
    finally:
        host.cut_power()
        shutil.rmtree(root, ignore_errors=True)


@contextmanager
def _place(folder: Path) -> Iterator[Path]:
    """In memory where there is plenty: what waits for a disk here waits for all that this machine writes besides."""
    if os.environ.get(ON_DISK) or not _memory_is_plenty():
        yield folder
        return
    for left in MEMORY.glob("ao-host-*"):
        if not Path("/proc", left.name.rpartition("-")[2]).exists():
            shutil.rmtree(left, ignore_errors=True)
    place = Path(tempfile.mkdtemp(dir=MEMORY, prefix="ao-host-", suffix=f"-{os.getpid()}"))
    place.chmod(0o755)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _memory_is_plenty() -> bool:
    try:
        there = os.statvfs(MEMORY)
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return False
    available = next(int(each.split()[1]) * 1024 for each in lines if each.startswith("MemAvailable:"))
    return not there.f_flag & os.ST_NOEXEC and min(there.f_bavail * there.f_frsize, available) >= PLENTY_BYTES


def _need() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can boot a container")
    for program in _PROGRAMS:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (apt: mmdebstrap systemd-container)")


def _archive(suite: str, also: str | None) -> Path:
    file = CACHE / (f"{suite}-{also}.tar" if also else f"{suite}.tar")
    if not file.is_file():
        CACHE.mkdir(parents=True, exist_ok=True)
        fresh = CACHE / f".{file.stem}.{os.getpid()}.tar"
        subprocess.run(
            [
                *("mmdebstrap", "-q", "--variant=essential", f"--include={PACKAGES}{f',{also}' if also else ''}"),
                *("--dpkgopt=force-unsafe-io", '--aptopt=Acquire::Languages "none"'),
                *(suite, str(fresh), _mirror()),
            ],
            check=True,
        )
        fresh.rename(file)
    return file


def _mirror() -> str:
    """The archive that this machine's own packages come from."""
    for file in (*Path("/etc/apt").glob("sources.list"), *Path("/etc/apt/sources.list.d").glob("*")):
        for line in file.read_text().splitlines():
            found = re.search(r"^(?:URIs:|deb(?: \[.*\])?)\s+(https?://\S+/debian)/?(?:\s|$)", line)
            if found:
                return found[1]
    pytest.skip("this machine's sources name no Debian archive")


def tree_of(folder: Path, *, without: Sequence[str] = ()) -> dict[str, tuple[object, ...]]:
    """Every name below a root with mode, owner and what is in it, for comparing before and after."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if any(name == each or name.startswith(each + "/") for each in without):
            continue
        facts = path.lstat()
        if path.is_symlink():
            content: object = path.readlink()
        else:
            content = _digest(path) if path.is_file() else None
        found[name] = (facts.st_mode, facts.st_uid, facts.st_gid, content)
    return found


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
