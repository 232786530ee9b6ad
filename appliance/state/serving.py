"""Whether the gateway of this state folder runs: a lock that the kernel holds for as long as its process lives.

An open-file-description lock (Linux 3.15), because it can be asked about without being taken: a monitor that asks each
second never keeps a gateway from starting.
"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

from appliance.errors import AlreadyServing, StateUnwritable

_NAME = "serving.lock"
_FLOCK = struct.Struct("@hhqqi4x")
"""struct flock of 64-bit Linux: type, whence, start, length, pid."""


class ServingLock:
    """Held by the one process that serves this state. Raises AlreadyServing, StateUnwritable."""

    def __init__(self, folder: Path) -> None:
        self._descriptor = _open(folder)
        try:
            fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, _wanted())
        except OSError as exc:
            os.close(self._descriptor)
            raise AlreadyServing("Another gateway is serving from this state folder.", where=str(folder)) from exc

    def release(self) -> None:
        os.close(self._descriptor)


def is_serving(folder: Path) -> bool:
    """Asks, and takes nothing."""
    descriptor = _open(folder)
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _wanted())
        return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)
    finally:
        os.close(descriptor)


def _open(folder: Path) -> int:
    try:
        return os.open(folder / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as exc:
        raise StateUnwritable(f"The serving lock cannot be opened: {exc.strerror}.", where=str(folder / _NAME)) from exc


def _wanted() -> bytes:
    return _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
