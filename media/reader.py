"""Bytes from a medium that nobody trusts, once and bounded.

`read_document` opens a name once, decides on the open file alone, and hands back its bytes. It never follows a link in
the last part of the path (beneath.py sees to the other parts), never waits for a pipe or a terminal, and never holds
more than the limit in memory. Swapping the name afterwards changes nothing: the bytes returned are the bytes to
verify and the bytes to parse.

Left to others: which folder to look in (links in earlier parts of the path are the caller's to exclude), and whether
to believe the bytes. Follows formats.md, "Reading foreign media".
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from licensing.shown import shown
from media.errors import MediaError, NotARegularFile, NotFound, TooLarge, Unreadable

_KIB: Final = 1024
_MIB: Final = 1024 * _KIB

LIMITS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "trust": 256 * _KIB,
        "licence": 256 * _KIB,
        "config": 1 * _MIB,
        "receipt": 64 * _KIB,
        "time": 16 * _KIB,
        "usage": 64 * _MIB,
        "site-request": 64 * _KIB,
        "release": 1 * _MIB,
        "passphrase": 4 * _KIB,
        "index": 1 * _MIB,
    }
)
"""The most bytes that a document of each kind may have. A kind that is not named here is not read."""

# O_NONBLOCK: opening a pipe without a writer returns at once. O_NOCTTY: a terminal does not become ours.
_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_CHUNK: Final = 1 * _MIB

_KINDS: Final = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def read_document(path: Path, *, limit: int) -> bytes:
    """The bytes of the regular file `path`, at most `limit` of them, or a `MediaError` that names the file."""
    return read_at(path, limit=limit, where=shown(str(path)))


def read_at(
    name: str | Path,
    *,
    limit: int,
    where: str,
    folder: int | None = None,
    settle: bool = False,
    device: int | None = None,
) -> bytes:
    """As `read_document`, with `name` looked up in the open folder `folder`.

    With `settle` the file is flushed first and the system's cached copy is let go, so that the bytes come from the
    medium itself where the system allows it. With `device` a file of another filesystem is refused.
    """
    try:
        handle = os.open(name, _FLAGS, dir_fd=folder)
    except (OSError, ValueError) as error:
        raise _refused_open(error, where) from error
    try:
        facts = os.fstat(handle)
        _require_regular(facts, limit, where)
        if device is not None and facts.st_dev != device:
            raise NotARegularFile("This file lies on another filesystem than the medium.", where=where)
        if settle:
            _let_go_of_cache(handle)
        return _read(handle, limit, where)
    except OSError as error:
        raise _unreadable(error, where) from error
    finally:
        with contextlib.suppress(OSError):  # nothing was written through it that could get lost
            os.close(handle)


def _require_regular(facts: os.stat_result, limit: int, where: str) -> None:
    if not stat.S_ISREG(facts.st_mode):
        kind = next((words for is_kind, words in _KINDS if is_kind(facts.st_mode)), "something else")
        raise NotARegularFile(f"This is {kind}, not a regular file.", where=where)
    if facts.st_nlink != 1:
        # A second name may lie where someone else can write; a file that was unlinked after the open has none.
        raise NotARegularFile(f"This file has {facts.st_nlink} names (hard links) instead of one.", where=where)
    if facts.st_size > limit:
        raise TooLarge(f"The file has {facts.st_size} bytes; at most {limit} are read.", where=where)


def _read(handle: int, limit: int, where: str) -> bytes:
    # The size that fstat gave is a hint at best: the file may grow, and some filesystems report none at all. One byte
    # more than the limit is asked for, and its arrival is the proof that there is too much.
    chunks: list[bytes] = []
    room = limit + 1
    while room > 0 and (chunk := os.read(handle, min(room, _CHUNK))):
        chunks.append(chunk)
        room -= len(chunk)
    if room <= 0:
        raise TooLarge(f"The file grew while it was read; at most {limit} bytes are read.", where=where)
    return b"".join(chunks)


def _let_go_of_cache(handle: int) -> None:
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EROFS:  # what lies on a read-only medium has nothing left to flush
            raise
    if hasattr(os, "posix_fadvise"):
        with contextlib.suppress(OSError):  # advice, which a driver may not take
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)


def _refused_open(error: OSError | ValueError, where: str) -> MediaError:
    match getattr(error, "errno", None):
        case errno.ENOENT | errno.ENOTDIR:
            return NotFound("There is no such file.", where=where)
        case errno.ELOOP:
            return NotARegularFile("This is a symbolic link, not a regular file.", where=where)
        case errno.ENXIO | errno.ENODEV:
            return NotARegularFile("This is a socket or a device, not a regular file.", where=where)
        case errno.ENAMETOOLONG | None:  # os.open raises ValueError, without a number, for a name that holds a NUL
            return NotFound("There can be no file of this name.", where=where)
    return _unreadable(error, where)


def _unreadable(error: OSError | ValueError, where: str) -> Unreadable:
    reason = getattr(error, "strerror", None) or "unknown error"
    return Unreadable(f"The file cannot be read: {shown(reason)}.", where=where)
