"""A folder in which something is to lie: its filesystem, its room, and how quickly and truly it flushes."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from installer.preflight.facts import Flushing, Folder
from installer.preflight.gather.host_files import HostFiles
from media.mounts import Mount, mount_of, parse_mounts

ROUNDS: Final = 24
_PIECE: Final = 4096
_FLUSHES_FIELD: Final = 15
"""In /sys/dev/block/…/stat, from Linux 5.5 on."""


def look_at_folder(path: Path, purpose: Literal["release", "state"], files: HostFiles) -> Folder:
    """Tries out the nearest folder that exists; what is written for a state is removed again."""
    found = _nearest(path)
    table = files.read("/proc/self/mountinfo") or ""
    mount = mount_of(parse_mounts(table), found.resolve())
    room = os.statvfs(found)
    flushing, unwritable = _flushing(found, mount, files) if purpose == "state" else (None, None)
    return Folder(
        path=PurePosixPath(path),
        found=PurePosixPath(found),
        purpose=purpose,
        filesystem=mount.filesystem if mount else "unknown",
        options=(mount.options | _filesystems_own(table, mount.id)) if mount else frozenset(),
        free=room.f_bavail * room.f_frsize,
        inodes_free=room.f_favail if room.f_files else None,
        flushing=flushing,
        unwritable=unwritable,
    )


def _nearest(path: Path) -> Path:
    return next(each for each in (path, *path.parents) if each.is_dir())


def _filesystems_own(table: str, mount_id: str) -> frozenset[str]:
    """The options of the filesystem itself, which the kernel writes behind those of the mount."""
    for line in table.split("\n"):
        if line.split(" ", 1)[0] == mount_id:
            return frozenset(line.rpartition(" ")[2].split(","))
    return frozenset()


def _flushing(folder: Path, mount: Mount | None, files: HostFiles) -> tuple[Flushing | None, str | None]:
    device = _disk(mount, files)
    before = _flushes(device, files)
    try:
        taken = _measure(folder)
    except OSError as error:
        return None, os.strerror(error.errno) if error.errno else "unknown error"
    after = _flushes(device, files)
    cache = (files.read(f"{device}/queue/write_cache") or "").strip() if device else ""
    return (
        Flushing(
            rounds=len(taken),
            median=statistics.median(taken),
            worst=max(taken),
            flushes=None if before is None or after is None else after - before,
            cache="write back" if cache == "write back" else "write through" if cache == "write through" else None,
        ),
        None,
    )


def _measure(folder: Path) -> list[float]:
    """Microseconds of each write with its fdatasync, as the journal does it: the file grows."""
    taken = []
    with tempfile.TemporaryFile(dir=folder, prefix=".ao-preflight-", buffering=0) as file:
        descriptor = file.fileno()
        for number in range(ROUNDS + 1):
            begun = time.perf_counter()
            os.write(descriptor, bytes([number]) * _PIECE)
            os.fdatasync(descriptor)
            taken.append((time.perf_counter() - begun) * 1e6)
    return taken[1:]  # the first has the file itself made


def _disk(mount: Mount | None, files: HostFiles) -> str | None:
    """The whole disk's folder in /sys: a partition has neither a queue nor a count of its own."""
    place = files.points_to(f"/sys/dev/block/{mount.device}") if mount else None
    if place is None:
        return None
    return f"/{PurePosixPath(place).parent}" if files.has(f"/{place}/partition") else f"/{place}"


def _flushes(device: str | None, files: HostFiles) -> int | None:
    fields = (files.read(f"{device}/stat") or "").split() if device else []
    return int(fields[_FLUSHES_FIELD]) if len(fields) > _FLUSHES_FIELD else None
