"""Debian's packages that an image's C library comes from, each checked by its hash, and files read out of them.

What lies in the cache with the right hash is not fetched again. Nothing of a package is run, and nothing is installed.
"""

from __future__ import annotations

import io
import lzma
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from image.errors import PackageUnavailable
from image.mirrors import Mirrors, mirrors
from image.pins import Package, Pins
from runtime.cache import sha256_of

_AR = b"!<arch>\n"
_HEADER = 60


def packages(pins: Pins, arch: str, into: Path) -> list[tuple[Package, Path]]:
    """Each package with its file. Raises PackageUnavailable naming the one that cannot be had."""
    into.mkdir(parents=True, exist_ok=True)
    files = [(each, into / f"{each.name}_{each.sha256[arch]}.deb") for each in pins.packages]
    missing = [pair for pair in files if not (pair[1].is_file() and sha256_of(pair[1]) == pair[0].sha256[arch])]
    if missing:
        among = mirrors(pins.suite, arch, into / f"apt-{arch}")
        for package, file in missing:
            _fetch(package, arch, among, file)
    return files


def source_packages(pins: Pins, into: Path) -> list[Path]:
    """The sources that the packages were built from, as Debian keeps them: for whoever asks for them.

    Raises PackageUnavailable.
    """
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        among = mirrors(pins.suite, "x86_64", Path(folder), "deb-src")
        for each in pins.packages:
            among.fetch(["source", "--download-only", f"{each.source}={each.version}"], into)
    return sorted(file for each in pins.packages for file in into.glob(f"{each.source}_*"))


def shared_libraries(package: Package, file: Path) -> Mapping[str, bytes]:
    """The files that the pins name, by their names, as they lie in the package. Raises PackageUnavailable."""
    found = {}
    for name, data in _members(file):
        path = PurePosixPath(name)
        if path.name in package.files and path.parts[-3:-2] == ("lib",) and path.name not in found:
            found[path.name] = data
    lacking = [each for each in package.files if each not in found and not each.startswith("ld-linux-")]
    if lacking:
        raise PackageUnavailable(f"{file.name} lacks {', '.join(lacking)}.")
    return found


def text_of(file: Path, name: str) -> bytes:
    """One file of a package by its whole name. Raises PackageUnavailable."""
    for member, data in _members(file):
        if member.removeprefix("./") == name:
            return data
    raise PackageUnavailable(f"{file.name} lacks {name}.")


def _members(file: Path) -> Iterator[tuple[str, bytes]]:
    """The plain files of a .deb: an ar archive, in which data.tar.xz holds them."""
    data = _data(file)
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.isreg() else None
            if stream is not None:
                yield member.name, stream.read()


def _data(file: Path) -> bytes:
    content = file.read_bytes()
    if not content.startswith(_AR):
        raise PackageUnavailable(f"{file.name} is no package.")
    at = len(_AR)
    while at + _HEADER <= len(content):
        header = content[at : at + _HEADER]
        size = int(header[48:58])
        if header[:16].rstrip().rstrip(b"/") == b"data.tar.xz":
            return lzma.decompress(content[at + _HEADER : at + _HEADER + size])
        at += _HEADER + size + size % 2
    raise PackageUnavailable(f"{file.name} holds no data.tar.xz.")


def _fetch(package: Package, arch: str, among: Mirrors, target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetching-") as folder:
        among.fetch(["download", f"{package.name}={package.version}"], Path(folder))
        (found,) = Path(folder).glob("*.deb")
        if (digest := sha256_of(found)) != package.sha256[arch]:
            raise PackageUnavailable(
                f"{package.name} {package.version} for {arch} has the SHA-256 {digest}, the pins name "
                f"{package.sha256[arch]}: review it and pin it anew."
            )
        found.replace(target)
