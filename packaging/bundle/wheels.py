"""Wheels, by their locked hashes and for an architecture that need not be this one, unpacked into one folder."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from bundle.errors import InputMissing
from bundle.prune import is_shipped

GLIBC = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")
"""The tags that a host with glibc 2.28 fulfils; pip derives none from another for a foreign platform."""


def download(lock: Path, arch: str, into: Path) -> list[Path]:
    """Every wheel of the lock, checked against it by pip. Nothing is built and nothing else resolved.

    Raises InputMissing with pip's own words.
    """
    into.mkdir(parents=True, exist_ok=True)
    platforms = [word for tag in GLIBC for word in ("--platform", f"{tag}_{arch}")]
    abis = [word for abi in ("cp313", "abi3", "none") for word in ("--abi", abi)]
    command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", "--only-binary=:all:", "--implementation", "cp", "--python-version", "3.13"]
    done = subprocess.run(
        [*command, *abis, *platforms, "--dest", str(into), "--requirement", str(lock)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise InputMissing(f"The wheels of {lock.name} cannot be had: {done.stderr.strip()}")
    return sorted(into.glob("*.whl"))


def unpack(wheel: Path, into: Path) -> None:
    """What an installer would put on the path: no scripts, no headers, nothing that `prune` leaves out."""
    with zipfile.ZipFile(wheel) as archive:
        for member, name in _placed(archive):
            file = into / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(archive.read(member))
            file.chmod(0o755 if file.suffix == ".so" or ".so." in file.name else 0o644)


def _placed(archive: zipfile.ZipFile) -> Iterator[tuple[zipfile.ZipInfo, PurePosixPath]]:
    for member in archive.infolist():
        path = PurePosixPath(member.filename)
        if member.is_dir():
            continue
        if path.is_absolute() or ".." in path.parts:
            raise InputMissing(f"The wheel {archive.filename} reaches outside of itself: {member.filename}.")
        if path.parts[0].endswith(".data"):
            if path.parts[1] not in {"purelib", "platlib"}:
                continue
            path = PurePosixPath(*path.parts[2:])
        if is_shipped(path):
            yield member, path
