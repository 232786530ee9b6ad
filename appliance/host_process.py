"""Facts of Linux that the appliance's processes rely on."""

from __future__ import annotations

import ctypes
import os
import pwd
import re
import resource
import signal
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

STARTED_BY_VARIABLE = "AO_STARTED_BY"
"""The id of the process that began this one."""

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_USER = re.compile(r"[A-Za-z0-9._-]{1,64}")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Names this boot of the host: another one after each reboot."""
    return _BOOT_ID.read_text(encoding="ascii").strip()


def user_name(environment: Mapping[str, str]) -> str:
    """Who acts: the user of this process, and on whose behalf where sudo says so."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"uid {os.getuid()}"
    behalf = environment.get("SUDO_USER", "")
    return f"{name} for {behalf}" if name == "root" and _USER.fullmatch(behalf) else name


def keep_memory_to_oneself() -> None:
    """No core dump and no debugger of another user: this process holds keys and prompts in its memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def take_turns() -> None:
    """Threads that this one starts from here on, and this one itself, wait for the processor until the one that runs
    gives it up, rather than interrupt it (SCHED_BATCH, sched(7)).

    A call passes through three threads. Where they share one processor, interrupting each other costs a third of a
    call. It is no right that a process needs: where it is refused (in a unit that refuses all such calls, and sets
    CPUSchedulingPolicy=batch itself), nothing is lost but that third.
    """
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def reap_orphans(ours: Collection[int | None]) -> None:
    """As the first process of a container (else harmless): takes leave of those who ended after their parents had.

    Nobody else would, and a worker that has ended would be counted among the living. `ours` are the process's own
    children, whose ends are awaited where they were started.
    """
    if os.getpid() != 1:
        return
    with suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            if ended.si_pid in ours:
                return
            os.waitpid(ended.si_pid, os.WNOHANG)


def die_with_parent(how: signal.Signals = signal.SIGKILL) -> None:
    """Asks the kernel to end this process when its parent dies, so that no worker serves without its supervisor.

    A parent that died before this was asked for is known by STARTED_BY_VARIABLE. Whatever this process forks from here
    on finds this process there.
    """
    parent = int(os.environ.get(STARTED_BY_VARIABLE) or os.getppid())
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(how), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:
        os.kill(os.getpid(), how)
    os.environ[STARTED_BY_VARIABLE] = str(os.getpid())
