"""Where a runtime comes from: a cache, when what lies there is what the pins name; else it is built."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from runtime.errors import ArchiveChanged
from runtime.pins import Archive, Pins, inputs_key


def sha256_of(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def prebuilt(pins: Pins, arch: str, folders: Iterable[Path]) -> tuple[Path, Archive] | None:
    """The archive that the pins name, from the first folder that has it. Raises ArchiveChanged."""
    expected = pins.prebuilt.get(arch)
    for folder in folders:
        if expected is None or not (file := folder / expected.name).is_file():
            continue
        if (found := sha256_of(file)) != expected.sha256:
            raise ArchiveChanged(
                f"{file} has the SHA-256 {found}, the pins name {expected.sha256}: "
                "remove it, or review it and pin it anew."
            )
        return file, expected
    return None


def own_archive(arch: str, folder: Path) -> Path:
    """Where this tree's own build of a runtime is kept: its name changes with whatever goes into it."""
    return folder / f"cpython-linux-{arch}-{inputs_key()}.tar.zst"
