"""licences/: the text of every licence that something in the release is under, one folder a component.

A wheel's texts come out of the wheel, the runtime's and its static libraries' out of `packaging/runtime/licences/`, where
they were copied from the pinned sources.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path

FOLDER = "licences"
TEXT = re.compile(r"(licen[cs]e|copying|notice|authors|unlicense)", re.IGNORECASE)


@dataclass(frozen=True)
class Installed:
    """A distribution as its metadata in `lib/` describes it."""

    name: str
    version: str
    licence: str
    metadata: Path


def installed(lib: Path) -> Iterator[Installed]:
    """Every distribution below `lib/`, by name."""
    for folder in sorted(lib.glob("*.dist-info"), key=lambda each: each.name.lower()):
        text = Parser().parsestr((folder / "METADATA").read_text("utf-8"))
        said = text.get("License-Expression") or text.get("License") or _classifier(text.get_all("Classifier") or [])
        yield Installed(text["Name"], text["Version"], _first_line(str(said or "")), folder)


def _classifier(values: list[str]) -> str:
    return " / ".join(value.rpartition(" :: ")[2] for value in values if value.startswith("License ::"))


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0].strip() if text.strip() else ""


def texts(distribution: Installed) -> list[Path]:
    """The files in a distribution's metadata that carry its licence, or a notice that must travel with it."""
    folder = distribution.metadata
    return sorted(each for each in folder.rglob("*") if each.is_file() and _carries_licence(each, folder))


def _carries_licence(file: Path, folder: Path) -> bool:
    inside = file.relative_to(folder).parts
    return inside[0] == "licenses" or (len(inside) == 1 and bool(TEXT.search(file.stem)))


def gather(lib: Path, runtime_texts: Path, into: Path) -> None:
    """Copies every text to `into/<component>/`; a component without one has no folder, and the gate says so."""
    for distribution in installed(lib):
        for text in texts(distribution):
            inside = text.relative_to(distribution.metadata)
            name = "-".join(inside.parts[1:] if inside.parts[0] == "licenses" else inside.parts)
            _copy(text, into / distribution.name.lower().replace("_", "-") / name)
    for text in sorted(runtime_texts.glob("*/*")):
        _copy(text, into / text.parent.name / text.name)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
