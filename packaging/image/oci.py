"""The image as OCI's image layout in one tar (an `oci-archive`): blobs, config, manifest, index. No daemon makes it.

Promise: the same layers and facts give the same bytes. The manifest's digest is the image's name wherever it goes: a
registry that takes it unchanged, a node that loads it from the file.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from bundle.facts import Facts
from image.layers import MEDIA_TYPE, Layer
from image.layout import COMMAND, SETTINGS, STATE, USER
from image.pins import DEBIAN

NAME = "localhost/ao-appliance"
"""The name that a node keeps it under when it is loaded from the file: nobody's registry."""

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
PORT = 8080


@dataclass(frozen=True)
class Image:
    """`digest` as `sha256:…`: what an operator pins."""

    file: Path
    digest: str


def name_of(facts: Facts) -> str:
    return f"ao-appliance-{facts.version}-linux-{facts.arch}.oci.tar"


def config_of(facts: Facts, layers: Sequence[Layer]) -> dict[str, Any]:
    """The image's config. It declares no volume: one that nobody named would be lost with its container, and with it
    the ledger; without one, a read-only root refuses to make a site."""
    return {
        "created": facts.built_at,
        "architecture": DEBIAN[facts.arch],
        **({"variant": "v8"} if facts.arch == "aarch64" else {}),
        "os": "linux",
        "config": {
            "User": f"{USER}:{USER}",
            "ExposedPorts": {f"{PORT}/tcp": {}},
            "Env": ["PATH=/usr/bin", "LANG=C.UTF-8", f"AO_SETTINGS=/{SETTINGS}", f"AO_STATE_DIR=/{STATE}/state"],
            "Entrypoint": [f"/{COMMAND}"],
            "Cmd": ["serve", "--wait"],
            "WorkingDir": f"/{STATE}",
            "StopSignal": "SIGTERM",
            "Labels": told_of(facts),
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{each.content}" for each in layers]},
        "history": [
            {"created": facts.built_at, "created_by": f"packaging/image: {what}"}
            for what in ("C library, user, command", f"release {facts.version}")
        ],
    }


def told_of(facts: Facts) -> dict[str, str]:
    return {
        "org.opencontainers.image.created": facts.built_at,
        "org.opencontainers.image.title": "AO Appliance",
        "org.opencontainers.image.version": facts.version,
    }


def write_image(facts: Facts, layers: Sequence[Layer], epoch: int, into: Path) -> Image:
    """Writes the archive below `into`; one of the same name is replaced as a whole."""
    config = _json(config_of(facts, layers))
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _described(CONFIG, _sha256(config), len(config)),
            "layers": [_described(MEDIA_TYPE, each.digest, each.size) for each in layers],
            "annotations": told_of(facts),
        }
    )
    digest = _sha256(manifest)
    platform = {"architecture": DEBIAN[facts.arch], "os": "linux"}
    if facts.arch == "aarch64":
        platform["variant"] = "v8"
    named = {"org.opencontainers.image.ref.name": facts.version, "io.containerd.image.name": f"{NAME}:{facts.version}"}
    index = _json(
        {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [{**_described(MANIFEST, digest, len(manifest)), "annotations": named, "platform": platform}],
        }
    )
    files: dict[str, bytes | Path] = {
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "index.json": index,
        f"blobs/sha256/{_sha256(config)}": config,
        f"blobs/sha256/{digest}": manifest,
        **{f"blobs/sha256/{each.digest}": each.file for each in layers},
    }
    target = into / name_of(facts)
    making = into / f".{target.name}.making"
    try:
        with tarfile.open(making, "w", format=tarfile.USTAR_FORMAT) as archive:
            for member, content in _members(files, epoch):
                _add(archive, member, content)
        making.replace(target)
    finally:
        making.unlink(missing_ok=True)
    return Image(target, f"sha256:{digest}")


def _members(files: dict[str, bytes | Path], epoch: int) -> Iterator[tuple[tarfile.TarInfo, bytes | Path | None]]:
    """The two small files first, so that whoever looks for the digest need not read on."""
    for folder in ("blobs", "blobs/sha256"):
        member = tarfile.TarInfo(folder)
        member.type, member.mode, member.mtime = tarfile.DIRTYPE, 0o755, epoch
        yield member, None
    for name, content in sorted(files.items(), key=lambda each: (each[0].startswith("blobs/"), each[0])):
        member = tarfile.TarInfo(name)
        member.mode, member.mtime = 0o644, epoch
        member.size = len(content) if isinstance(content, bytes) else content.stat().st_size
        yield member, content


def _add(archive: tarfile.TarFile, member: tarfile.TarInfo, content: bytes | Path | None) -> None:
    if content is None:
        archive.addfile(member)
    elif isinstance(content, bytes):
        archive.addfile(member, BytesIO(content))
    else:
        with content.open("rb") as stream:
            archive.addfile(member, stream)


def _described(media_type: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": size}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
