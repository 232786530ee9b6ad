"""Taking a medium out: everything onto it, out of the file tree, and its power off where this host can do that.

"Safe to remove" is said only of what was flushed without a fault and is unmounted. Who may not unmount asks udisks (or
the FUSE driver's own program), as a desktop does. The power is switched off only where nothing else of the same disk is
mounted; where it cannot be, the medium is safe to remove all the same.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from licensing.shown import shown
from media.beneath import Beneath
from media.device import Host, disks_beneath, usb_port
from media.errors import WriteFailed
from media.medium import NAMED, THIS_HOST, Medium, all_mounts
from media.mounts import Mount

_SECONDS: Final = 60
_NO_LINK: Final = 8  # UMOUNT_NOFOLLOW
_FORBIDDEN: Final = frozenset({errno.EPERM, errno.EACCES})

Run = Callable[[Sequence[str]], bool]
"""Runs a program of the host by name; False where it is not there or failed."""

Unmount = Callable[[Path], None]
"""Raises OSError."""


def run_program(words: Sequence[str]) -> bool:
    program = shutil.which(words[0])
    if program is None:
        return False
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            [program, *words[1:]], check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=_SECONDS
        )
        return done.returncode == 0
    return False


def unmount_here(path: Path) -> None:
    """umount(2) itself."""
    if ctypes.CDLL(None, use_errno=True).umount2(os.fsencode(path), _NO_LINK) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def eject(
    medium: Medium,
    *,
    host: Host = THIS_HOST,
    mounts: Callable[[], list[Mount]] = all_mounts,
    run: Run = run_program,
    unmount: Unmount = unmount_here,
) -> list[str]:
    """Does all that can be done, and returns it as sentences. Raises WriteFailed where the medium stays mounted."""
    with Beneath.open(medium.path) as root:
        root.flush()
    if medium.path != medium.mount.path and medium.why == NAMED:
        return ["Everything is on the medium. It is a folder of this host, so there is nothing to unmount."]
    _unmount(medium.mount, run, unmount)
    said = ["Everything is on the medium, and it is unmounted: safe to remove."]
    if medium.why != NAMED and _power_off(medium.mount, host, mounts(), run):
        said.append("Its power is off.")
    return said


def _unmount(mount: Mount, run: Run, unmount: Unmount) -> None:
    try:
        unmount(mount.path)
    except OSError as error:
        if error.errno in _FORBIDDEN and _unmount_by_others(mount, run):
            return
        reason = {errno.EBUSY: "a program still uses it"}.get(error.errno or 0, shown(error.strerror or "unknown"))
        if error.errno in _FORBIDDEN:
            reason = "unmounting is not allowed to this user"
        raise WriteFailed(
            f"The medium could not be unmounted: {reason}.",
            where=shown(str(mount.path), 400),
            remedy="Leave its folders in every terminal and try again, or unmount it as the user who mounted it.",
        ) from error


def _unmount_by_others(mount: Mount, run: Run) -> bool:
    if mount.source.startswith("/dev/"):
        words = ["udisksctl", "unmount", "--no-user-interaction", "--block-device", mount.source]
        if run(words):
            return True
    if mount.filesystem.partition(".")[0] in {"fuse", "fuseblk"}:
        return any(run([program, "-u", os.fspath(mount.path)]) for program in ("fusermount3", "fusermount"))
    return False


def _power_off(mount: Mount, host: Host, still_mounted: Sequence[Mount], run: Run) -> bool:
    disks = disks_beneath(mount, host)
    if not disks or any(disks & disks_beneath(each, host) for each in still_mounted):
        return False
    if mount.source.startswith("/dev/") and run(
        ["udisksctl", "power-off", "--no-user-interaction", "--block-device", mount.source]
    ):
        return True
    port = usb_port(mount, host)
    if port is None:
        return False
    with suppress(OSError):
        (port / "remove").write_text("1\n", encoding="ascii")
        return True
    return False
