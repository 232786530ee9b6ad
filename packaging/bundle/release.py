"""release.unsigned.json: what the vendor is to sign about a delivery, read off the files that were made.

`ao-vendor release sign` holds it against the files once more, and makes release.json of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

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
        "artefacts": [
            {"file": file.name, "arch": of.arch, "size": file.stat().st_size, "sha256": sha256_of(file)}
            for of, file in zip(known, files, strict=True)
        ],
    }
    target = into / NAME
    target.write_text(json.dumps(text, indent=2) + "\n", "utf-8")
    return target


def describe_too(into: Path, known: Sequence[Facts], files: Sequence[Path]) -> Path:
    """The same, beside what the description there tells of the same release already; what it tells of these files is
    replaced. Raises BundleRefused where it is of another release."""
    target = into / NAME
    before = json.loads(target.read_text("utf-8")) if target.is_file() else None
    describe(into, known, files)
    if before is None:
        return target
    text = json.loads(target.read_text("utf-8"))
    told = before.pop("artefacts")
    if before != {key: value for key, value in text.items() if key != "artefacts"}:
        target.write_text(json.dumps({**before, "artefacts": told}, indent=2) + "\n", "utf-8")
        raise BundleRefused(f"{target} is of another release or build: make everything of one release together.")
    names = {each["file"] for each in text["artefacts"]}
    text["artefacts"] = [*(each for each in told if each["file"] not in names), *text["artefacts"]]
    target.write_text(json.dumps(text, indent=2) + "\n", "utf-8")
    return target
