"""A layer of an image: entries as tar in gzip, the same bytes for the same entries (and the same zlib)."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bundle.run_file import LEVEL
from image.layout import Entry

MEDIA_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True)
class Layer:
    """`digest` and `size` of the packed file, `content` the digest of the tar in it; both in hexadecimal."""

    file: Path
    digest: str
    size: int
    content: str


def write_layer(entries: Iterable[Entry], epoch: int, target: Path) -> Layer:
    """Writes the layer to `target`. One date for everything, owners by number alone."""
    with target.open("wb") as stream:
        packed = _Hashed(stream)
        with gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=LEVEL, mtime=0) as plain:
            unpacked = _Hashed(plain)
            with tarfile.open(fileobj=unpacked, mode="w|", format=tarfile.PAX_FORMAT) as archive:
                for each in entries:
                    _add(archive, each, epoch)
    return Layer(target, packed.digest.hexdigest(), target.stat().st_size, unpacked.digest.hexdigest())


def _add(archive: tarfile.TarFile, entry: Entry, epoch: int) -> None:
    member = tarfile.TarInfo(entry.path)
    member.mode, member.mtime, member.uid, member.gid = entry.mode, epoch, entry.owner, entry.owner
    if entry.is_folder:
        member.type = tarfile.DIRTYPE
        archive.addfile(member)
    elif entry.link is not None:
        member.type, member.linkname = tarfile.SYMTYPE, entry.link
        archive.addfile(member)
    elif entry.source is not None:
        member.size = entry.source.stat().st_size
        with entry.source.open("rb") as content:
            archive.addfile(member, content)
    else:
        content_bytes = entry.content or b""
        member.size = len(content_bytes)
        archive.addfile(member, io.BytesIO(content_bytes))


class _Hashed(io.RawIOBase):
    """Writes through, and keeps the digest of what went by."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile) -> None:
        super().__init__()
        self._stream = stream
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return self._stream.write(data)
