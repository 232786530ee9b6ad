"""release.unsigned.json: what the vendor is to sign about a delivery, read off the files that were made.

`ao-vendor release sign` holds it against the files once more, and makes release.json of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bundle.errors import BundleRefused
from bundle.facts import Facts
from runtime.cache import sha256_of

NAME = "release.unsigned.json"


def describe(into: Path, known: Sequence[Facts], files: Sequence[Path]) -> Path:
    """Writes the description beside the files. Raises BundleRefused where they are not of one release."""
    first = known[0]
    if any(
        (each.version, each.schemas, each.upgrades_from) != (first.version, first.schemas, first.upgrades_from)
        for each in known
    ):
        raise BundleRefused("The files are not of one release: version, schemas or what they upgrade from differ.")
    text = {
        "version": first.version,
        "built_at": first.built_at,
        "upgrades_from": first.upgrades_from,
        "schemas": {"state": first.schemas.state, "documents": first.schemas.documents},
        "artefacts": [_artefact(of, file) for of, file in zip(known, files, strict=True)],
    }
    target = into / NAME
    target.write_text(json.dumps(text, indent=2) + "\n", "utf-8")
    return target


def describe_also(into: Path, known: Sequence[Facts], files: Sequence[Path]) -> Path:
    """The same, with what the description beside the files says already of the same release. Raises BundleRefused."""
    target = into / NAME
    before = json.loads(target.read_text("utf-8")) if target.is_file() else None
    describe(into, known, files)
    after = json.loads(target.read_text("utf-8"))
    if before is not None and {**before, "artefacts": []} == {**after, "artefacts": []}:
        fresh = {each["file"] for each in after["artefacts"]}
        kept = [each for each in before["artefacts"] if each["file"] not in fresh]
        after["artefacts"] = [*kept, *after["artefacts"]]
        target.write_text(json.dumps(after, indent=2) + "\n", "utf-8")
    return target


def _artefact(of: Facts, file: Path) -> dict[str, Any]:
    return {"file": file.name, "arch": of.arch, "size": file.stat().st_size, "sha256": sha256_of(file)}
