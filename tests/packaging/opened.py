"""What is really in a delivery's files: each name with kind, mode, owner, date and content, read by foreign tools."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_HEADER = 110
_REGULAR, _FOLDER, _KIND = 0o100000, 0o040000, 0o170000
_PIECE = 1 << 20


@dataclass(frozen=True)
class Packed:
    """`sha256` is empty for a folder."""

    mode: int
    owner: tuple[int, int]
    date: int
    sha256: str


def in_deb(file: Path) -> dict[str, Packed]:
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(file)], stdout=subprocess.PIPE) as unpacking:
        assert unpacking.stdout is not None
        found = dict(_in_tar(unpacking.stdout))
    assert unpacking.returncode == 0
    return found


def in_rpm(file: Path) -> dict[str, Packed]:
    with subprocess.Popen(["rpm2cpio", str(file)], stdout=subprocess.PIPE) as unpacking:
        assert unpacking.stdout is not None
        found = dict(_in_cpio(unpacking.stdout))
        unpacking.stdout.read()
    assert unpacking.returncode == 0
    return found


def in_run(file: Path) -> dict[str, Packed]:
    with file.open("rb") as whole:
        while not whole.readline().startswith(b"exit 0"):
            pass
        with gzip.GzipFile(fileobj=whole) as archive:
            return dict(_in_tar(archive))


def _in_tar(stream: IO[bytes] | gzip.GzipFile) -> Iterator[tuple[str, Packed]]:
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for each in archive:
            assert each.isfile() or each.isdir(), each.name
            content = archive.extractfile(each) if each.isfile() else None
            digest = hashlib.file_digest(content, "sha256").hexdigest() if content else ""  # type: ignore[arg-type]
            yield _name(each.name), Packed(each.mode, (each.uid, each.gid), int(each.mtime), digest)


def _in_cpio(stream: IO[bytes]) -> Iterator[tuple[str, Packed]]:
    """The form "newc" of cpio: numbers in hexadecimal, everything on whole words of four bytes."""
    while True:
        head = stream.read(_HEADER)
        assert head[:6] == b"070701", head[:6]
        _, mode, uid, gid, _, date, size, *_, length, _ = (int(head[at : at + 8], 16) for at in range(6, _HEADER, 8))
        name = stream.read(length + -(_HEADER + length) % 4)[: length - 1].decode()
        if name == "TRAILER!!!":
            return
        assert mode & _KIND in (_REGULAR, _FOLDER), name
        content = stream.read(size + -size % 4)[:size]
        digest = hashlib.sha256(content).hexdigest() if mode & _KIND == _REGULAR else ""
        yield _name(name), Packed(mode & 0o7777, (uid, gid), date, digest)


def _name(name: str) -> str:
    return "/" + name.removeprefix(".").strip("/")
