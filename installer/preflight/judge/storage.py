"""Room, filesystem, and whether what is flushed reaches the disk (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from installer.preflight.facts import Flushing, Folder
from installer.preflight.findings import Finding, failed, passed, warned

MIB: Final = 2**20
ROOM: Final = {"release": (512 * MIB, 1024 * MIB), "state": (512 * MIB, 5 * 1024 * MIB)}
"""By purpose: below the first nothing goes on, below the second it will be tight. Two releases lie side by side; a
million calls take about 400 MB of ledger."""
INODES: Final = (5_000, 50_000)
LOCAL: Final = frozenset({"ext4", "ext3", "xfs", "btrfs", "zfs", "bcachefs", "f2fs", "jfs", "ext2"})
WITHOUT_OWNERS: Final = frozenset({"vfat", "exfat", "ntfs", "ntfs3", "fuseblk", "msdos", "iso9660", "udf"})
ELSEWHERE: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs", "fuse.sshfs", "afs", "lustre"})
FORGETFUL: Final = frozenset({"tmpfs", "ramfs"})
NO_BARRIERS: Final = frozenset({"nobarrier", "barrier=0", "volatile"})
TOO_QUICK: Final = 12.0
"""Microseconds. No device answers a flush in less: a command's way to the fastest and back takes longer."""
SLOW: Final = 30_000.0
TOO_SLOW: Final = 1_000_000.0


def judge(folders: Sequence[Folder], *, fsync_disabled: bool) -> Iterator[Finding]:
    for folder in folders:
        yield _room(folder)
        yield _inodes(folder)
        yield _filesystem(folder)
        if folder.purpose == "state":
            yield _fsync(folder, fsync_disabled=fsync_disabled)


def _room(folder: Folder) -> Finding:
    least, good = ROOM[folder.purpose]
    where, seen = str(folder.path), f"{folder.free // MIB} MiB free."
    if folder.free < least:
        return failed("disk_space", seen, f"Make room: at least {least // MIB} MiB, better {good // MIB}.", where)
    if folder.free < good:
        return warned("disk_space", seen, f"Give it {good // MIB} MiB or more; calls stop when it is full.", where)
    return passed("disk_space", seen, where)


def _inodes(folder: Folder) -> Finding:
    where = str(folder.path)
    if folder.inodes_free is None:
        return passed("inodes", f"{folder.filesystem} makes them as needed.", where)
    least, good = INODES
    seen = f"{folder.inodes_free} free."
    if folder.inodes_free < least:
        return failed("inodes", seen, f"Free inodes (many small files somewhere): at least {least}.", where)
    if folder.inodes_free < good:
        return warned("inodes", seen, "Find what uses them up: df -i; du --inodes.", where)
    return passed("inodes", seen, where)


def _filesystem(folder: Folder) -> Finding:
    where, kind = str(folder.path), folder.filesystem
    if "ro" in folder.options:
        return failed("filesystem", f"{kind}, mounted read-only.", "Mount it writable, or choose another place.", where)
    if folder.purpose == "release" and "noexec" in folder.options:
        return failed(
            "filesystem", f"{kind}, mounted noexec: no program runs from it.", "Mount it without noexec.", where
        )
    if kind in WITHOUT_OWNERS:
        return failed(
            "filesystem", f"{kind} knows no owners and no modes: secrets would lie open.", "Use ext4 or xfs.", where
        )
    if folder.purpose == "state":
        if kind in ELSEWHERE:
            return failed(
                "filesystem",
                f"{kind} lies on another machine; the database's log must be on a disk of this one.",
                "Use a local ext4 or xfs.",
                where,
            )
        if kind in FORGETFUL:
            return warned(
                "filesystem", f"{kind} is gone after a reboot, and the ledger with it.", "Use ext4 or xfs.", where
            )
        if kind == "overlay":
            return warned(
                "filesystem",
                "overlay: a container's own layer, which goes with the container.",
                "Give the state a volume of its own.",
                where,
            )
        if kind not in LOCAL:
            return warned("filesystem", f"{kind} has not been tried.", "Use ext4 or xfs where you can.", where)
    return passed("filesystem", f"{kind}.", where)


def _fsync(folder: Folder, *, fsync_disabled: bool) -> Finding:
    where = str(folder.path)
    if fsync_disabled:
        return failed(
            "fsync",
            "A library is preloaded here that makes every flush do nothing (eatmydata).",
            "Take it out of LD_PRELOAD and /etc/ld.so.preload.",
            where,
        )
    if folder.flushing is None:
        return warned(
            "fsync", f"Could not be measured: {folder.unwritable or 'nothing can be written'}.", "Ask as root.", where
        )
    seen = _told(folder.flushing)
    if lies := _why_not_believed(folder, folder.flushing):
        return warned(
            "fsync",
            f"{seen} {lies}",
            "A power cut may take entries that were called safe. Use a disk and mount that flush, or protected power.",
            where,
        )
    if folder.flushing.median > TOO_SLOW:
        return failed("fsync", seen, "This disk cannot keep the ledger: use another.", where)
    if folder.flushing.median > SLOW:
        return warned("fsync", seen, "Use a quicker disk: replies end only once their entry is flushed.", where)
    return passed("fsync", seen, where)


def _told(flushing: Flushing) -> str:
    counted = "" if flushing.flushes is None else f", {flushing.flushes} flushes counted by the kernel"
    return (
        f"4 KiB and fdatasync: median {_time(flushing.median)}, worst {_time(flushing.worst)} "
        f"of {flushing.rounds}{counted}."
    )


def _time(microseconds: float) -> str:
    return f"{microseconds / 1000:.1f} ms" if microseconds >= 1000 else f"{microseconds:.0f} us"


def _why_not_believed(folder: Folder, flushing: Flushing) -> str | None:
    """One sentence where something says that a flush ends before the disk, else None."""
    if folder.filesystem in FORGETFUL:
        return f"{folder.filesystem} flushes to nowhere."
    if switched_off := sorted(NO_BARRIERS & folder.options):
        return f"It is mounted with {switched_off[0]}, which keeps flushes from the disk."
    if flushing.cache == "write back" and flushing.flushes == 0:
        return "The disk has a cache that is written back, and no flush ever reached it."
    if flushing.median < TOO_QUICK:
        return "That is quicker than any disk: something on the way says yes before it is written."
    if folder.filesystem == "overlay":
        return "What lies beneath a container's layer cannot be seen from here."
    return None
