"""Bytes onto a medium that is about to be pulled out.

When `write_document` returns, the bytes were flushed, carry their final name, and were read back equal: "safe to
remove" may be said. When it raises, the name holds what it held before, or already the new bytes where only their
flushing or the last look at them failed; never a part or a mixture. No temporary file stays behind, unless the
program or the power was cut off midway. Writing the same bytes again changes nothing and says so.

Works on FAT: 8.3-safe temporary names, no links, no modes. Follows formats.md, "Reading foreign media" (export).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from licensing.shown import shown
from media.errors import (
    AlreadyThere,
    MediaError,
    MediumFull,
    NotDurable,
    NotFound,
    ReadOnly,
    TooLarge,
    Unreadable,
    WriteFailed,
)
from media.reader import read_at
from media.rename import rename_new

_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_ATTEMPTS: Final = 32
_TEMPORARY: Final = re.compile(r"ao[0-9a-f]{6}\.tmp")
_NO_MODES: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})


@dataclass(frozen=True)
class Written:
    """What is on the medium now; `already_there` says that it was before, and nothing was written."""

    path: Path
    sha256: str
    size: int
    already_there: bool


def write_document(path: Path, data: bytes, *, replace: bool = False, mode: int = 0o644) -> Written:
    """Put `data` under the name `path`, durably. Other bytes under that name are kept unless `replace` is given."""
    where = shown(str(path))
    with _folder_of(path, where) as folder:
        return write_in(folder, path, data, replace=replace, mode=mode)


def write_in(folder: int, path: Path, data: bytes, *, replace: bool = False, mode: int = 0o644) -> Written:
    """The same in a folder that is open already; of `path` only the name is looked up, the rest is for messages."""
    where = shown(str(path))
    there = _what_is_there(folder, path.name, data, replace=replace, where=where)
    if there == "other" and not replace:
        raise AlreadyThere("There is another file of this name.", where=where)
    if there != "same":
        _put(folder, path.name, data, replace=replace, mode=mode, where=where)
    with refusing("flush the folder", where):
        # vfat gives a renamed file an entry of no size, and writes the size with the file: that comes first, so that
        # nobody who pulls the medium out finds an empty file of the final name.
        _flush_file(folder, path.name)
        _flush_folder(folder)
    # Also for a file that was there: an earlier run may have been cut off before its bytes were on the medium.
    _require_durable(folder, path.name, data, where)
    return Written(path, _digest(data), len(data), there == "same")


def sweep(folder: int) -> int:
    """Removes temporary files that a run of ours left when it was cut off midway; returns how many."""
    swept = 0
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if _TEMPORARY.fullmatch(name.lower()) and _is_regular(folder, name):
                os.unlink(name, dir_fd=folder)
                swept += 1
    return swept


def _is_regular(folder: int, name: str) -> bool:
    return stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)


@contextlib.contextmanager
def _folder_of(path: Path, where: str) -> Iterator[int]:
    # Every later step names files within this open folder, so that nothing done to its path meanwhile can lead astray.
    with refusing("open the folder", where):
        folder = os.open(path.parent, _FOLDER)
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):  # it was flushed, or is not claimed to be
            os.close(folder)


def _what_is_there(
    folder: int, name: str, data: bytes, *, replace: bool, where: str
) -> Literal["nothing", "same", "other"]:
    # Links, folders and the like are refused even where replacing is asked for: they are nobody's old version.
    try:
        there = read_at(name, limit=len(data), where=where, folder=folder)
    except NotFound:
        return "nothing"
    except TooLarge:
        return "other"
    except Unreadable:
        if replace:
            return "other"
        raise
    return "same" if there == data else "other"


def _put(folder: int, name: str, data: bytes, *, replace: bool, mode: int, where: str) -> None:
    with _temporary(folder, data, mode, where) as temporary:
        # Looked at before the rename, so that a medium that garbles what it stores does not cost the old file.
        _require_durable(folder, temporary, data, where)
        with refusing("give the file its name", where):
            if replace:
                os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
                return
            try:
                rename_new(temporary, name, folder)
            except FileExistsError as error:
                raise AlreadyThere("Another file took this name meanwhile.", where=where) from error


@contextlib.contextmanager
def _temporary(folder: int, data: bytes, mode: int, where: str) -> Iterator[str]:
    """The name of a flushed new file that holds `data`; whatever still has that name at the end is removed."""
    with refusing("create a file", where):
        name, handle = _create(folder, mode)
    try:
        with refusing("write the file", where):
            try:
                _set_mode(handle, mode)
                with _room_for(handle, len(data), where):
                    _write_all(handle, data)
                    os.fsync(handle)
            finally:
                os.close(handle)
        yield name
    finally:
        with contextlib.suppress(OSError):  # after the rename there is nothing of that name
            os.unlink(name, dir_fd=folder)


@contextlib.contextmanager
def _room_for(handle: int, size: int, where: str) -> Iterator[None]:
    """Some drivers give another reason where no room is left (fusefat: not permitted); the medium itself tells."""
    try:
        yield
    except OSError as error:
        with contextlib.suppress(OSError):
            facts = os.fstatvfs(handle)
            if facts.f_bavail * facts.f_frsize < size:
                raise MediumFull("Could not write the file: no room is left.", where=where) from error
        raise


def _create(folder: int, mode: int) -> tuple[str, int]:
    for _ in range(_ATTEMPTS):
        name = f"ao{secrets.token_hex(3)}.tmp"  # 8.3, lower case
        with contextlib.suppress(FileExistsError):
            return name, os.open(name, _CREATE, mode, dir_fd=folder)
    raise FileExistsError(errno.EEXIST, "no free temporary name")


def _set_mode(handle: int, mode: int) -> None:
    # The umask may have taken away what the person who carries the medium needs.
    try:
        os.fchmod(handle, mode)
    except OSError as error:
        if error.errno not in _NO_MODES:  # FAT keeps none
            raise


def _write_all(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _flush_file(folder: int, name: str) -> None:
    handle = os.open(name, _READ, dir_fd=folder)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _flush_folder(folder: int) -> None:
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.EROFS):
            raise
        # Some drivers cannot flush a folder by itself. Flushing everything takes longer and serves the same purpose.
        os.sync()


def _require_durable(folder: int, name: str, data: bytes, where: str) -> None:
    try:
        back = read_at(name, limit=len(data), where=where, folder=folder, settle=True)
    except MediaError as error:
        raise NotDurable(f"What was written cannot be read back. {error.message}", where=where) from error
    if _digest(back) != _digest(data):
        raise NotDurable("What was read back is not what was written.", where=where)


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@contextlib.contextmanager
def refusing(doing: str, where: str) -> Iterator[None]:
    """What the system will not do becomes a MediaError that says what could not be done, and where."""
    try:
        yield
    except OSError as error:
        raise _refusal(error, doing, where) from error
    except ValueError as error:  # a name that holds a NUL
        raise WriteFailed(f"Could not {doing}: there can be no file of this name.", where=where) from error


def _refusal(error: OSError, doing: str, where: str) -> MediaError:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return MediumFull(f"Could not {doing}: no room is left.", where=where)
        case errno.EROFS:
            return ReadOnly(f"Could not {doing}: the medium is read-only.", where=where)
        case errno.ENOENT | errno.ENOTDIR:
            return NotFound(f"Could not {doing}: there is no such folder.", where=where)
    return WriteFailed(f"Could not {doing}: {shown(error.strerror or 'unknown error')}.", where=where)
