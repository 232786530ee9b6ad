"""The file that is carried to a host: a header that any sh can run, and the release behind it as one gzip archive.

gzip and not xz, which is smaller, because a minimal Debian has no xz. The bytes depend on the tree alone (and on the
zlib of the machine that packs).
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import IO

from bundle.facts import Facts
from bundle.manifest import ordered

HEADER = Path(__file__).resolve().parent / "header.sh"
BLOCK = 4096
"""What a file takes on a disk at least: files are counted in whole blocks, so that the room asked for suffices."""

LEVEL = 6
"""9 makes it one part in a hundred smaller, and takes four times as long."""


def name_of(facts: Facts) -> str:
    return f"ao-appliance-{facts.version}-linux-{facts.arch}.run"


def pack(tree: Path, facts: Facts, epoch: int, into: Path) -> Path:
    """Writes the file below `into` and returns its path; one of the same name is replaced as a whole."""
    target = into / name_of(facts)
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into, prefix=".packing-") as folder:
        payload, whole = Path(folder) / "payload", Path(folder) / "whole"
        with payload.open("wb") as stream:
            write_archive(tree, epoch, stream)
        with whole.open("wb") as stream, payload.open("rb") as archive:
            stream.write(header(facts, payload, room=kibibytes(tree)))
            shutil.copyfileobj(archive, stream)
        whole.chmod(0o755)
        whole.replace(target)
    return target


def header(facts: Facts, payload: Path, *, room: int) -> bytes:
    """The script, which knows its own length: it is filled in until that no longer changes."""
    with payload.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    text, length = HEADER.read_text("utf-8"), 0
    filled = {"VERSION": facts.version, "ARCH": facts.arch, "SHA256": digest, "SIZE": str(payload.stat().st_size)}
    for name, value in {**filled, "ROOM": str(room)}.items():
        text = text.replace(f"@{name}@", value)
    while len(script := text.replace("@HEADER@", str(length)).encode()) != length:
        length = len(script)
    return script


def kibibytes(tree: Path) -> int:
    return sum(-(-each.stat().st_size // BLOCK) * BLOCK for each in ordered(tree) if each.is_file()) // 1024


def write_archive(tree: Path, epoch: int, stream: IO[bytes]) -> None:
    """The tree as tar in gzip: sorted names, owner root, one date, no name or time of the packing."""
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=stream, compresslevel=LEVEL, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for path in ordered(tree):
            entry = tarfile.TarInfo(path.relative_to(tree).as_posix())
            entry.mode = path.stat().st_mode & 0o777
            entry.mtime = epoch
            if path.is_dir():
                entry.type = tarfile.DIRTYPE
                archive.addfile(entry)
                continue
            entry.size = path.stat().st_size
            with path.open("rb") as content:
                archive.addfile(entry, content)
