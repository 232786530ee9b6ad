"""A person at a terminal of 80 columns and 24 lines: a real one, which a program of its own sees."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

SECONDS = 90.0


class Person:
    """Reads until words appear, types a line, and remembers the whole conversation."""

    def __init__(self, screen: int, process: subprocess.Popen[bytes]) -> None:
        self._screen, self._process = screen, process
        self._seen = 0
        self.read = ""

    def sees(self, words: str) -> str:
        """What came since the last time, up to the words; where lines are broken does not matter."""
        until = time.monotonic() + SECONDS
        wanted = re.compile(r"\s+".join(map(re.escape, words.split())))
        while not (found := wanted.search(self.read, self._seen)):
            assert time.monotonic() < until, f"{words!r} was never said:\n{self.read}"
            assert self._more(until), f"it ended before {words!r}:\n{self.read}"
        told, self._seen = self.read[self._seen : found.end()], found.end()
        return told

    def types(self, line: str) -> None:
        os.write(self._screen, f"{line}\n".encode())

    def presses(self, key: bytes) -> None:
        os.write(self._screen, key)

    def leaves(self) -> int:
        """Reads to the end; the exit code."""
        while self._more(time.monotonic() + SECONDS):
            pass
        return self._process.wait(SECONDS)

    def _more(self, until: float) -> bool:
        ready, _, _ = select.select([self._screen], [], [], max(0.0, until - time.monotonic()))
        assert ready, f"nothing more was said:\n{self.read}"
        try:
            data = os.read(self._screen, 4096)
        except OSError:  # the other end of a terminal is gone
            return False
        self.read += data.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(data)


@contextmanager
def at_terminal(words: Sequence[str], environment: Mapping[str, str]) -> Iterator[Person]:
    screen, keyboard = pty.openpty()
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        list(words),
        stdin=keyboard,
        stdout=keyboard,
        stderr=keyboard,
        env=dict(environment) | {"TERM": "vt100", "LANG": "C", "LC_ALL": "C"},
        start_new_session=True,
        preexec_fn=_sit_down,
    )
    os.close(keyboard)
    try:
        yield Person(screen, process)
    finally:
        process.kill()
        process.wait()
        os.close(screen)


def _sit_down() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # tests that run in the background have it ignored
