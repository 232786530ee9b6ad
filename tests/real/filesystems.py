"""Filesystems as people carry them, each a real image: FAT32, exFAT, ext4, a small one that fills, a read-only disc.

The kernel here may know none of FAT, exFAT and ISO 9660; their FUSE drivers do it, over a loop device or the image.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
MIB = 1024 * 1024


def need(*programs: str) -> None:
    """Skips where the host cannot do it, saying what would change that."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount an image")
    for program in programs:
        if shutil.which(program, path=PATH) is None:
            pytest.skip(f"{program} is not installed (apt: dosfstools exfatprogs exfat-fuse fusefat fuseiso xorriso)")
    if not Path("/dev/fuse").exists():
        pytest.skip("this host has no /dev/fuse")


def run(*command: str | Path) -> None:
    done = subprocess.run(command, env={**os.environ, "PATH": PATH}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def image(folder: Path, mebibytes: int) -> Path:
    file = folder / "image"
    with file.open("wb") as stream:
        stream.truncate(mebibytes * MIB)
    return file


@contextmanager
def mounted(command: list[str | Path], at: Path) -> Iterator[Path]:
    at.mkdir(exist_ok=True)
    run(*command)
    try:
        yield at
    finally:
        unmount(at)


def unmount_what_a_killed_run_left(below: Path) -> None:
    """A FUSE driver that was killed leaves a mount that nobody can enter, and pytest cannot clear its old folders."""
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        at = Path(line.split()[1])
        if not at.is_relative_to(below):
            continue
        try:
            at.stat()
        except OSError as fault:
            if fault.errno == errno.ENOTCONN:
                subprocess.run(["umount", "-l", at], capture_output=True, check=False)


def unmount(at: Path) -> None:
    """Unmounts, waiting for a driver that is still writing; harmless where it is gone already."""
    for _ in range(50):
        done = subprocess.run(["umount", at], capture_output=True, text=True, check=False)
        if done.returncode == 0 or "not mounted" in done.stderr or "no mount point" in done.stderr:
            return
        time.sleep(0.1)
    subprocess.run(["umount", "-l", at], capture_output=True, check=False)


@contextmanager
def loop(file: Path) -> Iterator[str]:
    found = subprocess.run(["losetup", "-f", "--show", file], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        pytest.skip("loop devices are forbidden here")
    device = found.stdout.strip()
    try:
        yield device
    finally:
        subprocess.run(["losetup", "-d", device], check=False)


class Carrier:
    """A medium that can be plugged in again and again: `with carrier.plugged_in() as path`."""

    def __init__(
        self, folder: Path, make: Callable[[Path], Path], plug: Callable[[Path, Path], Iterator[Path]]
    ) -> None:
        self._image = make(folder)
        self._at = folder / "mounted"
        self._plug = contextmanager(plug)

    @contextmanager
    def plugged_in(self) -> Iterator[Path]:
        with self._plug(self._image, self._at) as path:
            yield path


def _fat_image(folder: Path) -> Path:
    need("mkfs.vfat", "fusefat")
    file = image(folder, 64)
    run("mkfs.vfat", "-F", "32", file)
    return file


def _fat(file: Path, at: Path) -> Iterator[Path]:
    with mounted(["fusefat", "-o", "rw+", file, at], at) as path:
        yield path


def _exfat_image(folder: Path) -> Path:
    need("mkfs.exfat", "mount.exfat-fuse")
    file = image(folder, 64)
    run("mkfs.exfat", file)
    return file


def _exfat(file: Path, at: Path) -> Iterator[Path]:
    with loop(file) as device, mounted(["mount.exfat-fuse", device, at], at) as path:
        yield path


def _ext4_image(folder: Path) -> Path:
    need("mkfs.ext4")
    file = image(folder, 64)
    run("mkfs.ext4", "-q", "-F", file)
    return file


def _ext4(file: Path, at: Path) -> Iterator[Path]:
    with loop(file) as device, mounted(["mount", device, at], at) as path:
        yield path


CARRIERS: dict[str, Callable[[Path], Carrier]] = {
    "FAT32": lambda folder: Carrier(folder, _fat_image, _fat),
    "exFAT": lambda folder: Carrier(folder, _exfat_image, _exfat),
    "ext4": lambda folder: Carrier(folder, _ext4_image, _ext4),
}


@contextmanager
def disc(folder: Path, content: Path) -> Iterator[Path]:
    """A read-only disc with what is in a folder."""
    need("xorriso", "fuseiso")
    file = folder / "disc.iso"
    run("xorriso", "-as", "mkisofs", "-quiet", "-r", "-J", "-o", file, content)
    with mounted(["fuseiso", file, folder / "disc", "-o", "ro"], folder / "disc") as path:
        yield path
