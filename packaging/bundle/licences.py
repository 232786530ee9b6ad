"""licences/: the text of every licence that something in the release is under, one folder a component.

A wheel's texts come out of the wheel, the runtime's and its static libraries' out of `packaging/runtime/licences/`,
where they were copied from the pinned sources. What is compiled into a wheel is told by the bill of
materials that the wheel carries, which names licences and has no texts: `spdx/` has the text of each of those, as SPDX
publishes it, and the other folders of `packaging/bundle/licences/` those of libraries that no such bill names.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.parser import Parser
from functools import cache
from pathlib import Path
from typing import Any

from license_expression import AND, OR, LicenseWithExceptionSymbol, Licensing, get_spdx_licensing

FOLDER = "licences"
TEXT = re.compile(r"(licen[cs]e|copying|notice|authors|unlicense)", re.IGNORECASE)


@dataclass(frozen=True)
class Installed:
    """A distribution as its metadata in `lib/` describes it."""

    name: str
    version: str
    licence: str
    metadata: Path


def normal(name: str) -> str:
    """A distribution's name in the one spelling that all indexes agree on."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(lib: Path) -> Iterator[Installed]:
    """Every distribution below `lib/`, by name."""
    for folder in sorted(lib.glob("*.dist-info"), key=lambda each: each.name.lower()):
        text = Parser().parsestr((folder / "METADATA").read_text("utf-8"))
        said = text.get("License-Expression") or text.get("License") or _classifier(text.get_all("Classifier") or [])
        yield Installed(text["Name"], text["Version"], _first_line(str(said or "")), folder)


def requirements(distribution: Installed) -> list[str]:
    """What a distribution asks for, as its metadata says it."""
    text = Parser().parsestr((distribution.metadata / "METADATA").read_text("utf-8"))
    return [str(each) for each in text.get_all("Requires-Dist") or []]


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


@dataclass(frozen=True)
class Bill:
    """The bill of materials that a wheel carries about what was compiled into it."""

    within: str
    components: tuple[Mapping[str, Any], ...]

    def licences(self) -> Iterator[tuple[str, str]]:
        """The licence of each component, as an SPDX expression; those without one are left out."""
        for component in self.components:
            for licence in component.get("licenses", ()):
                said = licence.get("expression") or licence.get("license", {}).get("id")
                if said:
                    yield component["name"], said


def embedded_bills(lib: Path) -> Iterator[Bill]:
    for file in sorted(lib.glob("*.dist-info/sboms/*.json")):
        within = Parser().parsestr((file.parents[1] / "METADATA").read_text("utf-8"))["Name"]
        yield Bill(within, tuple(json.loads(file.read_text("utf-8")).get("components", ())))


PREFERRED = ("MIT", "Apache-2.0", "BSD-3-Clause", "ISC", "Zlib", "0BSD")
"""Of several licences that are offered, the first of these is taken."""


@cache
def spdx() -> Licensing:
    """SPDX's licences by their identifiers. Reading them takes a twentieth of a second: done once."""
    return get_spdx_licensing()


@cache
def chosen(expression: str) -> frozenset[str]:
    """The licences under which something is used: all that must be kept, and of each choice one."""
    return _chosen(spdx().parse(expression))


def _chosen(part: Any) -> frozenset[str]:
    if isinstance(part, OR):
        return min((_chosen(each) for each in part.args), key=_rank)
    if isinstance(part, AND):
        return frozenset().union(*(_chosen(each) for each in part.args))
    if isinstance(part, LicenseWithExceptionSymbol):
        return frozenset((part.license_symbol.key, part.exception_symbol.key))
    return frozenset((part.key,))


def _rank(licences: frozenset[str]) -> tuple[int, list[str]]:
    places = [PREFERRED.index(each) if each in PREFERRED else len(PREFERRED) for each in licences]
    return max(places), sorted(licences)


def gather(lib: Path, others: tuple[Path, ...], into: Path) -> None:
    """Copies every text to `into/<component>/`; a component without one has no folder, and the gate says so."""
    for distribution in installed(lib):
        for text in texts(distribution):
            inside = text.relative_to(distribution.metadata)
            name = "-".join(inside.parts[1:] if inside.parts[0] == "licenses" else inside.parts)
            _copy(text, into / normal(distribution.name) / name)
    for folder in others:
        for text in sorted(folder.glob("*/*")):
            _copy(text, into / text.parent.name / text.name)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
