"""Which media are here: where each is mounted, how, and whether it is one that can be carried away.

A medium is what the kernel calls removable, what hangs on USB, what a desktop mounted for a person (udisks' folders),
or a path that the operator names. Nothing is mounted or changed here; eject.py takes one out.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from licensing.shown import shown
from media.device import Host, label_of, why_carried
from media.errors import NotFound, Unreadable
from media.mounts import Mount, may_be_medium, mount_of, parse_mounts

MOUNTINFO: Final = Path("/proc/self/mountinfo")
THIS_HOST: Final = Host()
NAMED: Final = "named by you"
_PEOPLES_FOLDERS: Final = (Path("/run/media"), Path("/media"))
_SIZE_LIMIT: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Medium:
    """`why`: what makes it a medium. Sizes in bytes; None where the filesystem does not say.

    `label` is the filesystem's own, which a stranger chose.
    """

    path: Path
    mount: Mount
    why: str
    size: int | None
    free: int | None
    label: str | None = None

    @property
    def description(self) -> str:
        """For a person: "/media/usb (vfat "BLUE" on /dev/sdb1, removable)"."""
        where = shown(str(self.path), 400)
        label = f' "{shown(self.label, 60)}"' if self.label else ""
        return f"{where} ({shown(self.mount.filesystem)}{label} on {shown(self.mount.source, 200)}, {self.why})"

    def warnings(self, *, writing: bool) -> list[str]:
        """What should be otherwise before documents are taken from it: a sentence, or none."""
        missing = [option for option in self.mount.missing_options if not (writing and option == "ro")]
        if not missing:
            return []
        return [
            f"{shown(str(self.path), 400)} is not mounted {','.join(missing)}; remount it so, or let a policy insist."
        ]


def media_here(*, mountinfo: Path = MOUNTINFO, host: Host = THIS_HOST) -> list[Medium]:
    """Every mounted medium, in the order in which they were mounted. Raises Unreadable."""
    mounts = all_mounts(mountinfo)
    found = [
        _medium(mount.path, mount, why, host)
        for mount in mounts
        if may_be_medium(mount) and (why := _why(mount, host)) is not None and _is_on_top(mount, mounts)
    ]
    return list({each.path: each for each in found}.values())


def medium_at(path: Path, *, mountinfo: Path = MOUNTINFO, host: Host = THIS_HOST) -> Medium:
    """The medium at a path that the operator names: any folder will do. Raises NotFound, Unreadable."""
    try:
        there = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise NotFound("There is no such folder.", where=shown(str(path), 400)) from error
    if not there.is_dir():
        raise NotFound("This is no folder.", where=shown(str(path), 400))
    mount = mount_of(all_mounts(mountinfo), there)
    if mount is None:
        raise Unreadable("The kernel names no mount for this folder.", where=shown(str(path), 400))
    return _medium(there, mount, (may_be_medium(mount) and _why(mount, host)) or NAMED, host)


def all_mounts(mountinfo: Path = MOUNTINFO) -> list[Mount]:
    """The kernel's table, as this process sees it. Raises Unreadable."""
    try:
        with mountinfo.open("rb") as stream:
            return parse_mounts(stream.read(_SIZE_LIMIT).decode("utf-8", "surrogateescape"))
    except OSError as error:
        raise Unreadable("The kernel's table of mounts cannot be read.", where=str(mountinfo)) from error


def _is_on_top(mount: Mount, mounts: list[Mount]) -> bool:
    return [each for each in mounts if each.path == mount.path][-1] is mount


def _why(mount: Mount, host: Host) -> str | None:
    if any(mount.path.is_relative_to(folder) and mount.path != folder for folder in _PEOPLES_FOLDERS):
        return why_carried(mount, host) or "mounted for a person"
    return why_carried(mount, host)


def _medium(path: Path, mount: Mount, why: str, host: Host) -> Medium:
    label = label_of(mount, host)
    try:
        usage = shutil.disk_usage(path)
    except OSError:
        return Medium(path, mount, why, None, None, label)
    return Medium(path, mount, why, usage.total, usage.free, label)
