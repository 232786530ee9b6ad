"""Room on the disk, set aside before it is needed, so that what was let in can also be written down.

`fallocate(2)` with FALLOC_FL_KEEP_SIZE gives an append-only file its blocks beyond its end: a later write into them
cannot find the disk full. ext4, XFS and tmpfs keep that promise. Btrfs and ZFS may copy on write, and some network
filesystems know no fallocate; there the free space that is left alone (`free_bytes`) is the only reserve.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
from collections.abc import Callable
from pathlib import Path

KEEP_FREE_BYTES = 64 * 1024 * 1024
"""No call is let in while less than this is free: for the ledger, for sealing, and for the imports that help."""

STEP_BYTES = 256 * 1024
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_KEEP_SIZE = 1
_UNSUPPORTED = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})


def free_bytes(folder: Path) -> int:
    """What an ordinary user may still write there."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def set_aside(descriptor: int, offset: int, needed: int) -> int:
    """Reserves at least `needed` bytes from `offset` on, rather STEP_BYTES more; says how many. Raises OSError."""
    try:
        return _reserve(descriptor, offset, needed + STEP_BYTES)
    except OSError as exc:
        if exc.errno not in FULL:
            raise
        return _reserve(descriptor, offset, needed)


def give_back(descriptor: int) -> None:
    """Frees what was set aside beyond the end of the file."""
    os.ftruncate(descriptor, os.fstat(descriptor).st_size)


def _reserve(descriptor: int, offset: int, length: int) -> int:
    call = _find_fallocate()
    if call is not None and call(descriptor, _KEEP_SIZE, offset, length) == 0:
        return length
    number = ctypes.get_errno() if call is not None else errno.ENOSYS
    if number not in _UNSUPPORTED:
        raise OSError(number, os.strerror(number))
    found = os.fstatvfs(descriptor)
    if found.f_bavail * found.f_frsize < length:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return length


@functools.cache
def _find_fallocate() -> Callable[[int, int, int, int], int] | None:
    """The C library's fallocate: `os.posix_fallocate` moves the end of the file, where the next line must start."""
    try:
        call = ctypes.CDLL(None, use_errno=True).fallocate64
    except (AttributeError, OSError):
        return None
    call.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    call.restype = ctypes.c_int
    found: Callable[[int, int, int, int], int] = call
    return found
