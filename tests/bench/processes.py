"""Starts children pinned to one core, stops them with all that they started, and reads what they used from /proc."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20
STOP_SECONDS = 10.0


class BenchError(Exception):
    """A part of the benchmark could not do its work; the message is for the person who runs it."""


@dataclass(frozen=True)
class Stat:
    """What /proc/PID/stat says of one process."""

    state: str
    parent: int
    session: int
    cpu_seconds: float  # with the children that it has already waited for, so that no respawned worker is lost
    rss_mib: float


def read_stat(pid: int) -> Stat | None:
    """None if the process has gone."""
    try:
        # The command's name may hold spaces and brackets; the last bracket ends it.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return Stat(
        state=fields[0],
        parent=int(fields[1]),
        session=int(fields[3]),
        cpu_seconds=sum(int(ticks) for ticks in fields[11:15]) / TICKS_PER_SECOND,
        rss_mib=int(fields[21]) * PAGE_MIB,
    )


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Children started in here inherit the core; setting it after the start would miss their first threads."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Child:
    """A running command in a session of its own: Ctrl-C reaches the benchmark alone, which then stops its children."""

    def __init__(
        self, name: str, command: Sequence[str], core: int, logs: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        logs.mkdir(parents=True, exist_ok=True)
        self.stdout = logs / f"{name}.stdout"
        self.stderr = logs / f"{name}.stderr"
        with self.stdout.open("wb") as out, self.stderr.open("wb") as err, pinned(core):
            self.started = time.monotonic()
            try:
                self.process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    env={**os.environ, **(environment or {})},
                    start_new_session=True,
                )
            except OSError as error:
                raise BenchError(f"{name} could not be started: {error}") from error

    def tree(self) -> dict[int, Stat]:
        """The child, its descendants, and whatever else lives in its session."""
        stats = {pid: stat for pid in _pids() if (stat := read_stat(pid)) is not None}
        root = self.process.pid
        members = {pid for pid, stat in stats.items() if pid == root or stat.session == root}
        while more := {pid for pid, stat in stats.items() if stat.parent in members} - members:
            members |= more
        return {pid: stats[pid] for pid in members}

    def alive(self) -> set[int]:
        """Those of the tree that run. A zombie has ended, whether or not its parent has noticed."""
        return {pid for pid, stat in self.tree().items() if stat.state not in "ZX"}

    def cpu_seconds(self) -> float:
        """User and system time of the whole tree since its start."""
        return sum(stat.cpu_seconds for stat in self.tree().values())

    def check(self) -> None:
        """Raises if the child has ended, with the last words that it said."""
        code = self.process.poll()
        if code is not None:
            said = f"{self.stdout.read_text(errors='replace')}\n{self.stderr.read_text(errors='replace')}"
            lines = [line.strip() for line in said.splitlines() if any(letter.isalnum() for letter in line)]
            last = lines[-1] if lines else "it said nothing"
            raise BenchError(f"ended with code {code}: {last} (all of it: {self.stderr.with_suffix('.*')})")

    def stop(self) -> None:
        """SIGTERM and some time for an orderly end; then SIGKILL for all that is left of the tree."""
        if self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
        deadline = time.monotonic() + STOP_SECONDS
        while (left := self.alive()) and time.monotonic() < deadline:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        self.process.wait()


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


@contextmanager
def running(
    name: str, command: Sequence[str], core: int, logs: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Child]:
    """The child, for as long as the block lasts and however it ends."""
    child = Child(name, command, core, logs, environment)
    try:
        yield child
    finally:
        child.stop()
