"""Giving a finished file its name without taking the name from another file.

`rename_new` either moves the file or finds the name taken. It never makes a second link on the way: a power cut between
link() and unlink() would leave a document with two names, which the reader refuses, and FAT has no links at all.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
from collections.abc import Callable
from typing import Final

_RENAME_NOREPLACE: Final = 1
# An old kernel, or a filesystem driver (some FUSE ones) that does not know the flag.
_UNSUPPORTED: Final = frozenset({errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP})


def rename_new(old: str, new: str, folder: int) -> None:
    """Rename `old` to `new`, both in the open folder; `FileExistsError` where something is called `new`."""
    try:
        _renameat2(old, new, folder)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        _look_then_rename(old, new, folder)


def _renameat2(old: str, new: str, folder: int) -> None:
    call = _find_renameat2()
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    old_name, new_name = os.fsencode(old), os.fsencode(new)
    if b"\0" in old_name + new_name:  # C would take what comes before it for the whole name
        raise ValueError("embedded null byte")
    if call(folder, old_name, folder, new_name, _RENAME_NOREPLACE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), new)


def _look_then_rename(old: str, new: str, folder: int) -> None:
    # Between the look and the rename another program could take the name and lose its file. The filesystems that come
    # here offer nothing better, and a medium that is being written to has one writer: this one.
    try:
        os.stat(new, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(old, new, src_dir_fd=folder, dst_dir_fd=folder)
    else:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new)


@functools.cache
def _find_renameat2() -> Callable[[int, bytes, int, bytes, int], int] | None:
    """The C library's renameat2, which `os` does not offer; None where the library has none (glibc before 2.28)."""
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return None
    call.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    call.restype = ctypes.c_int
    found: Callable[[int, bytes, int, bytes, int], int] = call
    return found
