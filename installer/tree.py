"""A release's tree: bin/ao, runtime/, lib/, facts.json, and MANIFEST with the SHA-256 of every file.

Promise: `read_release` believes nothing but MANIFEST: every file it names is there with these bytes, and no other file
is, and there are only plain files and folders. `copy_tree` hashes the bytes that it writes, so that what arrives is
what was checked.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from installer.errors import ReleaseDamaged
from installer.record import sync_folder
from licensing.document import first_fault
from licensing.shown import shown

MANIFEST = "MANIFEST"
FACTS = "facts.json"
MANIFEST_LIMIT = 16 * 1024 * 1024
FACTS_LIMIT = 64 * 1024
_PIECE = 1024 * 1024
VERSION = r"[0-9]+\.[0-9]+\.[0-9]+(?:[a-z0-9.+-]{0,40})"


class Schemas(BaseModel):
    """`state` is the schema of the state database once this release has run."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    state: int = Field(ge=1)


class Facts(BaseModel):
    """What a release says of itself; `upgrades_from` is the oldest version that it can follow. More than is known here
    is passed over: the file may be newer than this installer."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: str = Field(pattern=f"^{VERSION}$")
    arch: str
    upgrades_from: str = Field(pattern=f"^{VERSION}$")
    schemas: Schemas


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree that is what its MANIFEST says. `files` are relative names and digests, `size` in bytes."""

    folder: Path
    facts: Facts
    files: Mapping[str, str]
    size: int


def read_release(folder: Path, *, arch: str) -> Tree:
    """Reads and checks a whole tree. Raises ReleaseDamaged."""
    files = _manifest(folder)
    there = set(_files_in(folder))
    if missing := sorted(files.keys() - there):
        raise ReleaseDamaged("A file of the release is missing.", where=shown(str(folder / missing[0])))
    if foreign := sorted(there - files.keys() - {MANIFEST}):
        raise ReleaseDamaged("A file is no part of the release.", where=shown(str(folder / foreign[0])))
    size = 0
    for name, digest in files.items():
        if _digest(folder, name) != digest:
            raise ReleaseDamaged("A file of the release is not what it was.", where=shown(str(folder / name)))
        size += (folder / name).lstat().st_size
    facts = _facts(folder)
    if facts.arch != arch:
        raise ReleaseDamaged(
            f"The release is for {shown(facts.arch)}, and this machine is {arch}.",
            where=str(folder),
            remedy=f"Take the file whose name ends with linux-{arch}.",
        )
    return Tree(folder, facts, files, size)


def is_whole(folder: Path, *, arch: str) -> bool:
    try:
        read_release(folder, arch=arch)
    except (ReleaseDamaged, OSError):
        return False
    return True


def copy_tree(tree: Tree, target: Path) -> None:
    """The tree under its name `target`, whole or not at all. Raises ReleaseDamaged, OSError."""
    incoming = target.with_name(f".incoming-{target.name}")
    remove_tree(incoming)
    incoming.mkdir(mode=0o755)
    for name, digest in [*tree.files.items(), (MANIFEST, "")]:
        _copy(tree.folder, incoming, name, digest)
    sync_filesystem(incoming)  # once for thousands of files; a fsync for each takes minutes on a slow disk
    if target.exists():  # what lies there is not whole, or it would not be copied
        remove_tree(target)
    incoming.rename(target)
    sync_folder(target.parent)


def sync_filesystem(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)


def remove_tree(folder: Path) -> None:
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


def _copy(source: Path, target: Path, name: str, digest: str) -> None:
    file, copy = source / name, target / name
    copy.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    seen = hashlib.sha256()
    with file.open("rb") as reader, copy.open("xb") as writer:
        while piece := reader.read(_PIECE):
            seen.update(piece)
            writer.write(piece)
        os.fchmod(writer.fileno(), 0o755 if os.fstat(reader.fileno()).st_mode & 0o100 else 0o644)
    if digest and seen.hexdigest() != digest:
        raise ReleaseDamaged("A file of the release changed while it was copied.", where=shown(str(file)))


def _digest(folder: Path, name: str) -> str:
    file = folder / name
    if file.is_symlink() or not file.is_file():
        raise ReleaseDamaged("A name is not that of a plain file.", where=shown(str(file)))
    with file.open("rb") as reader:
        return hashlib.file_digest(reader, "sha256").hexdigest()


def _files_in(folder: Path) -> Iterator[str]:
    for parent, folders, files in os.walk(folder):
        links = [each for each in folders if (Path(parent) / each).is_symlink()]
        for name in [*files, *links]:
            yield (Path(parent) / name).relative_to(folder).as_posix()


def _manifest(folder: Path) -> dict[str, str]:
    file = folder / MANIFEST
    files: dict[str, str] = {}
    for line in _read(file, MANIFEST_LIMIT).splitlines():
        digest, gap, name = line.partition("  ")
        path = PurePosixPath(name)
        if (
            not gap
            or len(digest) != 64
            or path.is_absolute()
            or ".." in path.parts
            or name in files
            or name == MANIFEST
        ):
            raise ReleaseDamaged("A line is not a SHA-256 and a file's name.", where=shown(str(file)))
        files[name] = digest
    if FACTS not in files or "bin/ao" not in files:
        raise ReleaseDamaged(f"It names no {FACTS} or no bin/ao.", where=shown(str(file)))
    return files


def _facts(folder: Path) -> Facts:
    file = folder / FACTS
    try:
        return Facts.model_validate_json(_read(file, FACTS_LIMIT))
    except ValidationError as exc:
        raise ReleaseDamaged(f"{first_fault(exc)}.", where=shown(str(file))) from exc


def _read(file: Path, limit: int) -> str:
    try:
        with file.open("rb") as reader:
            data = reader.read(limit + 1)
        if len(data) > limit:
            raise ReleaseDamaged("The file is larger than any of its kind.", where=shown(str(file)))
        return data.decode()
    except (OSError, UnicodeDecodeError) as exc:
        raise ReleaseDamaged("The file cannot be read.", where=shown(str(file))) from exc
