"""Looking things up beneath one opened folder, so that nothing on a medium leads out of it.

No link is followed in any part of a path, no other filesystem is entered, and no part may be `..`. Linux 5.6 does that
by itself (openat2 with RESOLVE_BENEATH); on the 4.19 kernels that are still in service, and where a sandbox forbids the
call, the path is walked part by part with the same outcome. Names are lists of parts and never split here.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from licensing.shown import shown
from media.errors import MediaError, NotARegularFile, NotFound, TooLarge, Unreadable, WriteFailed
from media.reader import read_at

ENTRY_LIMIT: Final = 10_000
"""The most names that are looked at in one folder of a medium."""

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OPENAT2: Final = 437  # on every architecture
_RESOLVE: Final = 0x01 | 0x02 | 0x04 | 0x08  # no other filesystem, no magic links, no links, beneath
_NOT_HERE: Final = frozenset({errno.ENOSYS, errno.EPERM, errno.E2BIG, errno.EINVAL})
_ATTEMPTS: Final = 8


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


class Beneath:
    """An opened folder. `with Beneath.open(path) as root: root.read(("AO", "index.txt"), limit=…)`."""

    def __init__(self, handle: int, path: Path, *, kernel_resolves: bool = True) -> None:
        self._handle = handle
        self._device = os.fstat(handle).st_dev
        self._kernel_resolves = kernel_resolves
        self.path = path

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path, *, kernel_resolves: bool = True) -> Iterator[Beneath]:
        """Opens the folder itself, whose path the operator gave and is believed. Raises NotFound, Unreadable.

        Without `kernel_resolves` every path is walked part by part, as on a kernel before 5.6.
        """
        where = shown(str(path), 400)
        try:
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            raise _refusal(error, where) from error
        try:
            try:
                root = cls(handle, path, kernel_resolves=kernel_resolves)
            except OSError as error:
                raise _refusal(error, where) from error
            yield root
        finally:
            with contextlib.suppress(OSError):
                os.close(handle)

    def where(self, parts: Sequence[str]) -> str:
        """The place for a person, with nothing in it that a terminal would act upon."""
        return shown(str(self.path.joinpath(*parts)), 400)

    @contextlib.contextmanager
    def folder(self, parts: Sequence[str]) -> Iterator[int]:
        """An open folder beneath. Raises NotFound, NotARegularFile, Unreadable."""
        where = self.where(parts)
        try:
            _require_plain(parts)
            handle = self._open_folder(parts)
        except (OSError, ValueError) as error:
            raise _refusal(error, where) from error
        try:
            yield handle
        finally:
            with contextlib.suppress(OSError):
                os.close(handle)

    def read(self, parts: Sequence[str], *, limit: int) -> bytes:
        """The bytes of a regular file with one name, read once. Raises MediaError."""
        *folders, name = parts
        _require_plain_name(name, self.where(parts))
        with self.folder(folders) as folder:
            return read_at(name, limit=limit, where=self.where(parts), folder=folder, device=self._device)

    def names(self, parts: Sequence[str]) -> list[str]:
        """What is in a folder, in no order that means anything. Raises MediaError, TooLarge beyond ENTRY_LIMIT."""
        found: list[str] = []
        with self.folder(parts) as folder:
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        found.append(entry.name)
                        if len(found) > ENTRY_LIMIT:
                            raise TooLarge(
                                f"The folder has more than {ENTRY_LIMIT} entries.",
                                where=self.where(parts),
                                remedy="Put what is needed on a medium of its own.",
                            )
            except OSError as error:
                raise _refusal(error, self.where(parts)) from error
        return found

    def make_folder(self, parts: Sequence[str]) -> None:
        """Makes a folder and those above it; those that are there are used. Raises MediaError, OSError."""
        for depth in range(1, len(parts) + 1):
            with self.folder(parts[: depth - 1]) as above:
                _require_plain_name(parts[depth - 1], self.where(parts[:depth]))
                with contextlib.suppress(FileExistsError):
                    os.mkdir(parts[depth - 1], 0o755, dir_fd=above)
                    os.fsync(above)

    def flush(self) -> None:
        """Everything that this filesystem still holds back is brought onto the medium. Raises WriteFailed."""
        try:
            _syncfs(self._handle)
        except OSError as error:
            reason = shown(error.strerror or "unknown error")
            raise WriteFailed(f"Could not bring everything onto the medium: {reason}.", where=self.where(())) from error

    def _open_folder(self, parts: Sequence[str]) -> int:
        if not parts:
            return os.open(".", _FOLDER, dir_fd=self._handle)
        if self._kernel_resolves:
            try:
                return _openat2(self._handle, "/".join(parts))
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
        return self._walk(parts)

    def _walk(self, parts: Sequence[str]) -> int:
        handle = os.open(".", _FOLDER, dir_fd=self._handle)
        try:
            for part in parts:
                below = os.open(part, _FOLDER, dir_fd=handle)
                os.close(handle)
                handle = below
                if os.fstat(handle).st_dev != self._device:
                    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        except OSError:
            os.close(handle)
            raise
        return handle


def _openat2(folder: int, path: str) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    how = _How(_FOLDER, 0, _RESOLVE)
    name = os.fsencode(path)
    for _ in range(_ATTEMPTS):
        handle = libc.syscall(
            ctypes.c_long(_OPENAT2), ctypes.c_int(folder), name, ctypes.byref(how), ctypes.c_size_t(ctypes.sizeof(how))
        )
        if handle >= 0:
            return int(handle)
        number = ctypes.get_errno()
        if number != errno.EAGAIN:  # the medium is being rearranged while it is looked at
            break
    raise OSError(number, os.strerror(number))


def _syncfs(handle: int) -> None:
    if ctypes.CDLL(None, use_errno=True).syncfs(handle) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _require_plain(parts: Sequence[str]) -> None:
    for part in parts:
        if part in {"", ".", ".."} or "/" in part or "\0" in part:
            raise ValueError("a part of a path that is none")


def _require_plain_name(name: str, where: str) -> None:
    try:
        _require_plain([name])
    except ValueError as error:
        raise NotFound("There can be no file of this name.", where=where) from error


def _refusal(error: OSError | ValueError, where: str) -> MediaError:
    match getattr(error, "errno", None):
        case errno.ENOENT:
            return NotFound("There is no such folder.", where=where)
        case errno.ELOOP:
            return NotARegularFile("A symbolic link stands where a folder should.", where=where)
        case errno.ENOTDIR:
            return NotARegularFile("A link or a file stands where a folder should.", where=where)
        case errno.EXDEV:
            return NotARegularFile("This leads out of the medium.", where=where)
        case errno.ENAMETOOLONG | None:
            return NotFound("There can be no folder of this name.", where=where)
    reason = getattr(error, "strerror", None) or "unknown error"
    return Unreadable(f"The folder cannot be read: {shown(reason)}.", where=where)
