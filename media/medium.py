"""Which media are here: where each is mounted, how, and whether it is one that can be carried away.

A medium is what the kernel calls removable, what hangs on USB, what a desktop mounted for a person (udisks' folders),
or a path that the operator names. Nothing is mounted or changed here but by `eject`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from licensing.shown import shown
from media.errors import NotFound, Unreadable, WriteFailed
from media.mounts import Mount, may_be_medium, mount_of, parse_mounts

MOUNTINFO: Final = Path("/proc/self/mountinfo")
SYSFS: Final = Path("/sys")
_PEOPLES_FOLDERS: Final = (Path("/run/media"), Path("/media"))
_SIZE_LIMIT: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Medium:
    """`why`: what makes it a medium. Sizes in bytes; None where the filesystem does not say."""

    path: Path
    mount: Mount
    why: str
    size: int | None
    free: int | None

    @property
    def label(self) -> str:
        """For a person: "/media/usb (vfat on /dev/sdb1, removable)"."""
        where = shown(str(self.path), 400)
        return f"{where} ({shown(self.mount.filesystem)} on {shown(self.mount.source, 200)}, {self.why})"

    def warnings(self, *, writing: bool) -> list[str]:
        """What should be otherwise before documents are taken from it: a sentence, or none."""
        missing = [option for option in self.mount.missing_options if not (writing and option == "ro")]
        if not missing:
            return []
        return [
            f"{shown(str(self.path), 400)} is not mounted {','.join(missing)}; remount it so, or let a policy insist."
        ]


def media_here(*, mountinfo: Path = MOUNTINFO, sysfs: Path = SYSFS) -> list[Medium]:
    """Every mounted medium, in the order in which they were mounted. Raises Unreadable."""
    mounts = _mounts(mountinfo)
    found = [
        _medium(mount.path, mount, why)
        for mount in mounts
        if may_be_medium(mount) and (why := _why(mount, sysfs)) is not None and _is_on_top(mount, mounts)
    ]
    return list({each.path: each for each in found}.values())


def medium_at(path: Path, *, mountinfo: Path = MOUNTINFO, sysfs: Path = SYSFS) -> Medium:
    """The medium at a path that the operator names: any folder will do. Raises NotFound, Unreadable."""
    try:
        there = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise NotFound("There is no such folder.", where=shown(str(path), 400)) from error
    if not there.is_dir():
        raise NotFound("This is no folder.", where=shown(str(path), 400))
    mount = mount_of(_mounts(mountinfo), there)
    if mount is None:
        raise Unreadable("The kernel names no mount for this folder.", where=shown(str(path), 400))
    return _medium(there, mount, _why(mount, sysfs) or "named by you")


def eject(medium: Medium) -> list[str]:
    """Brings everything onto the medium and takes it out of the file tree; returns what was done, for a person.

    Raises WriteFailed where something still uses it, or where it is no mount of its own.
    """
    where = shown(str(medium.path), 400)
    libc = ctypes.CDLL(None, use_errno=True)
    handle = os.open(medium.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        flushed = libc.syncfs(handle) == 0
    finally:
        os.close(handle)
    if not flushed:
        raise WriteFailed("What was written could not be brought onto the medium: do not take it out.", where=where)
    if medium.path != medium.mount.path:
        return ["Everything is on the medium. It is a folder of this host, so there is nothing to unmount."]
    if libc.umount2(os.fsencode(medium.path), 0) != 0:
        number = ctypes.get_errno()
        reason = {
            errno.EBUSY: "a program still uses it",
            errno.EPERM: "unmounting is not allowed to this user",
        }.get(number, os.strerror(number))
        raise WriteFailed(
            f"The medium could not be unmounted: {reason}.",
            where=where,
            remedy="Leave its folders in every terminal and try again, or unmount it as the user who mounted it.",
        )
    return ["Everything is on the medium, and it is unmounted: safe to remove."]


def _mounts(mountinfo: Path) -> list[Mount]:
    try:
        with mountinfo.open("rb") as stream:
            return parse_mounts(stream.read(_SIZE_LIMIT).decode("utf-8", "surrogateescape"))
    except OSError as error:
        raise Unreadable("The kernel's table of mounts cannot be read.", where=str(mountinfo)) from error


def _is_on_top(mount: Mount, mounts: list[Mount]) -> bool:
    return [each for each in mounts if each.path == mount.path][-1] is mount


def _why(mount: Mount, sysfs: Path) -> str | None:
    if not mount.device.startswith("0:"):
        device = (sysfs / "dev" / "block" / mount.device).resolve()
        if any(_says_removable(folder) for folder in _disk_and_partition(device)):
            return "removable"
        if any(part.startswith("usb") and part[3:].isdigit() for part in device.parts):
            return "on USB"
    if any(mount.path.is_relative_to(folder) and mount.path != folder for folder in _PEOPLES_FOLDERS):
        return "mounted for a person"
    return None


def _disk_and_partition(device: Path) -> Iterator[Path]:
    yield device
    yield device.parent


def _says_removable(folder: Path) -> bool:
    try:
        return (folder / "removable").read_text(encoding="ascii").strip() == "1"
    except (OSError, UnicodeDecodeError):
        return False


def _medium(path: Path, mount: Mount, why: str) -> Medium:
    try:
        usage = shutil.disk_usage(path)
    except OSError:
        return Medium(path, mount, why, None, None)
    return Medium(path, mount, why, usage.total, usage.free)
