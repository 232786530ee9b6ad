"""The failing disk: compiled once, told what to do through a mapped file."""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
from enum import IntEnum
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_suffix(".c")
_CONTROL = struct.Struct("=iiiI")


class Fault(IntEnum):
    """As in faults.c."""

    NONE = 0
    EIO_WRITE = 1
    FULL_WRITE = 2
    SHORT_WRITE = 3
    TORN_WRITE = 4
    EIO_SYNC = 5
    LOSING_SYNC = 6
    FULL_RESERVE = 7


class Where(IntEnum):
    JOURNAL = 1
    DATABASE = 2
    BOTH = 3


class Disk:
    """What all processes started with `environment` meet."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "fault-control"
        if not self._file.exists():
            self._file.write_bytes(bytes(_CONTROL.size))
        with self._file.open("r+b") as file:
            self._mapped = mmap.mmap(file.fileno(), _CONTROL.size)

    def fails(self, fault: Fault, where: Where, percent: int) -> None:
        struct.pack_into("=iii", self._mapped, 0, fault, where, percent)

    def works(self) -> None:
        self.fails(Fault.NONE, Where.BOTH, 0)

    @property
    def hits(self) -> int:
        return int(_CONTROL.unpack_from(self._mapped)[3])

    def environment(self, library: Path) -> dict[str, str]:
        return {**os.environ, "LD_PRELOAD": str(library), "FAULT_CONTROL": str(self._file)}


def compiled(folder: Path) -> Path:
    """The library to preload. Skips where there is no compiler."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    library = folder / "faults.so"
    subprocess.run(["gcc", "-O2", "-Wall", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
    return library
