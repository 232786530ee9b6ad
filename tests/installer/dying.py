"""An act of the installer that dies by SIGKILL just before its n-th change to the disk, or its n-th program.

Every change that Python makes is announced to audit hooks before it is made: so each one can be the last.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

CHANGES = {
    *("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link"),
    *("os.chmod", "os.chown", "os.truncate", "subprocess.Popen"),
}


def die_before(change: int, act: Callable[[], object]) -> bool:
    """Runs `act` in a process of its own. False: it came to its end before that many changes."""

    def counted() -> None:
        count_down(change)
        act()

    return _dies(counted)


def die_at_telling(number: int, act: Callable[[Callable[[str], None]], object]) -> bool:
    """The same, dying when it tells its n-th line: before the step that the line is about."""
    left = number

    def tell(_line: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return _dies(lambda: act(tell))


def _dies(act: Callable[[], object]) -> bool:
    child = os.fork()
    if child == 0:
        try:
            act()
        except BaseException as fault:
            os.write(2, f"{type(fault).__name__}: {fault}\n".encode())
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def count_down(change: int) -> None:
    """From here on this process has so many changes to live."""
    left = change

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if event in CHANGES or writes:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
