"""Processes that tests start: each in a group of its own, with its output in a file, and gone when its block ends."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Process:
    """A program, its output so far in `log` (standard output) and `log` with `.err` (standard error)."""

    popen: subprocess.Popen[bytes]
    log: Path

    @staticmethod
    @contextmanager
    def started(
        command: Sequence[str], log: Path, *, environment: Mapping[str, str] | None = None
    ) -> Iterator[Process]:
        """Runs the command until the block ends; then kills it and everything that descends from it."""
        with log.open("wb") as out, log.with_suffix(".err").open("wb") as err:
            popen = subprocess.Popen(
                # The kernel ends it should the test's own process be killed before its finaliser runs.
                ["setpriv", "--pdeathsig", "KILL", *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                cwd=ROOT,
                env=program_environment(environment),
            )
        process = Process(popen, log)
        try:
            yield process
        finally:
            process.kill_all()

    @property
    def pid(self) -> int:
        return self.popen.pid

    def tree(self) -> list[int]:
        """This process and all its living descendants, in whatever group or session they are."""
        return [self.pid, *descendants_of(self.pid)]

    def kill_all(self) -> None:
        """SIGKILL to the whole tree at once. Stopped first, so that nobody starts a successor meanwhile."""
        tree = self.tree()
        for how in (signal.SIGSTOP, signal.SIGKILL):
            for pid in tree:
                with suppress(ProcessLookupError):
                    os.kill(pid, how)
        self.popen.wait(timeout=10)
        wait_until(lambda: not any(alive(pid) for pid in tree), "the processes are gone")

    def said(self) -> str:
        return self.log.read_text("utf-8", "replace") + self.log.with_suffix(".err").read_text("utf-8", "replace")


def program_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a test's programs: nothing of the appliance's from outside, modules from the checkout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AO_", "PYTEST_"))}
    return {**kept, "PYTHONPATH": str(ROOT), **(extra or {})}


def descendants_of(pid: int) -> list[int]:
    """By parentage in /proc; a process whose parent is gone is not found any more."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = status.read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(status.parent.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def alive(pid: int) -> bool:
    """Whether the process still runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (OSError, IndexError):
        return False


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    """Waits for the condition to hold."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"after {seconds:.0f} s it is still not so that {what}"
        time.sleep(0.02)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def http_get(port: int, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", path, headers=dict(headers or {}))
        reply = connection.getresponse()
        return reply.status, reply.read()


def wait_until_answers(process: Process, port: int, path: str, seconds: float = READY_SECONDS) -> None:
    """Waits for 200 at this path; fails with what the program said when it ends before."""
    deadline = time.monotonic() + seconds
    while True:
        assert process.popen.poll() is None, f"ended with {process.popen.returncode}:\n{process.said()}"
        with suppress(OSError, http.client.HTTPException):
            if http_get(port, path)[0] == 200:
                return
        assert time.monotonic() < deadline, f"no answer on port {port}:\n{process.said()}"
        time.sleep(0.02)
