"""An image read back from its file: what a node would unpack, checked against every digest on the way.

Promise: nothing that the making believes of itself is taken over. Bytes whose digest is not the one named are refused.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from image.errors import ImageClosed


@dataclass(frozen=True)
class Member:
    """A file, folder or link of an image as a layer's tar has it; `digest` (SHA-256) of a file's content."""

    path: str
    kind: str
    mode: int
    owner: int
    group: int
    link: str
    digest: str
    layer: int


@dataclass(frozen=True)
class Opened:
    """`digest` is the manifest's; `layers` are the bytes of each layer's tar, the lowest first."""

    digest: str
    manifest: dict[str, Any]
    config: dict[str, Any]
    index: dict[str, Any]
    layers: tuple[bytes, ...]

    def members(self) -> list[Member]:
        return [each for number, layer in enumerate(self.layers) for each in _members(layer, number)]

    def read(self, path: str) -> bytes:
        """A file's content. Raises KeyError."""
        return self.contents()[path]

    def contents(self) -> dict[str, bytes]:
        """Every file's content by its path."""
        return {
            member.name: stream.read()
            for layer in self.layers
            for archive in [_tar(layer)]
            for member in archive
            if member.isreg() and (stream := archive.extractfile(member)) is not None
        }

    def unpack(self, into: Path) -> None:
        """The root file system, as a runtime lays it out. Owners are set where this process may do that."""
        for layer in self.layers:
            _tar(layer).extractall(into, filter=_as_it_is)  # noqa: S202 - an image that was just made


def open_image(file: Path) -> Opened:
    """Raises ImageClosed where it is not an image in one piece."""
    with tarfile.open(file, "r:") as archive:
        files = {each.name: archive.extractfile(each) for each in archive.getmembers() if each.isreg()}
        content = {name: stream.read() for name, stream in files.items() if stream is not None}
    if json.loads(content["oci-layout"]) != {"imageLayoutVersion": "1.0.0"}:
        raise ImageClosed([f"{file.name}: not an OCI image layout"])
    index = json.loads(content["index.json"])
    (named,) = index["manifests"]
    manifest = json.loads(_blob(content, named))
    packed = [_blob(content, each) for each in manifest["layers"]]
    config = json.loads(_blob(content, manifest["config"]))
    layers = tuple(gzip.decompress(each) for each in packed)
    said = config["rootfs"]["diff_ids"]
    if [f"sha256:{hashlib.sha256(each).hexdigest()}" for each in layers] != said:
        raise ImageClosed([f"{file.name}: a layer's content is not the one that the config names"])
    return Opened(named["digest"], manifest, config, index, layers)


def _blob(content: dict[str, bytes], described: dict[str, Any]) -> bytes:
    digest = described["digest"].removeprefix("sha256:")
    data = content.get(f"blobs/sha256/{digest}", b"")
    if hashlib.sha256(data).hexdigest() != digest or len(data) != described["size"]:
        raise ImageClosed([f"the blob {digest} is missing, or not what its name says"])
    return data


def _members(layer: bytes, number: int) -> list[Member]:
    archive = _tar(layer)
    found = []
    for each in archive:
        stream = archive.extractfile(each) if each.isreg() else None
        digest = hashlib.sha256(stream.read()).hexdigest() if stream else ""
        kind = "file" if each.isreg() else "folder" if each.isdir() else "link" if each.issym() else "other"
        found.append(Member(each.name, kind, each.mode, each.uid, each.gid, each.linkname, digest, number))
    return found


def _tar(layer: bytes) -> tarfile.TarFile:
    return tarfile.open(fileobj=BytesIO(layer), mode="r:")


def _as_it_is(member: tarfile.TarInfo, _into: str) -> tarfile.TarInfo:
    return member
