"""The source tree as the rules see it: modules, what each imports, and which places are still to be built."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("licensing", "media", "appliance", "installer")

NOT_BUILT_YET: tuple[str, ...] = ()
"""Places that rules already name. As soon as one exists, a test fails until it is taken off this list."""


@dataclass(frozen=True)
class Import:
    """One imported name, in full (`datetime.datetime` for `from datetime import datetime`), and its line."""

    name: str
    line: int

    def within(self, package: str) -> bool:
        return self.name == package or self.name.startswith(package + ".")


@dataclass(frozen=True)
class Module:
    path: str
    text: str

    @property
    def syntax(self) -> ast.Module:
        return _syntax(self)

    def imports(self) -> Iterator[Import]:
        for node in ast.walk(self.syntax):
            if isinstance(node, ast.Import):
                yield from (Import(each.name, node.lineno) for each in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = self._package(node.level, node.module)
                yield from (Import(f"{base}.{each.name}", node.lineno) for each in node.names)

    def _package(self, level: int, name: str | None) -> str:
        here = self.path.removesuffix(".py").split("/")[: -level or None] if level else []
        return ".".join([*here, *([name] if name else [])])

    def names(self) -> Iterator[tuple[str, int]]:
        """Every name and attribute that the module's code speaks of."""
        for node in ast.walk(self.syntax):
            if isinstance(node, ast.Name):
                yield node.id, node.lineno
            elif isinstance(node, ast.Attribute):
                yield node.attr, node.lineno
            elif isinstance(node, ast.alias):
                yield node.name.rpartition(".")[2], node.lineno


@cache
def _syntax(module: Module) -> ast.Module:
    return ast.parse(module.text, module.path)


@cache
def modules() -> tuple[Module, ...]:
    """Every Python module of the product, in order of its path."""
    found = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return tuple(Module(path.relative_to(ROOT).as_posix(), path.read_text("utf-8")) for path in found)


def lies_in(path: str, place: str) -> bool:
    """Whether a file is this place, or lies under it."""
    return path == place or path.startswith(place + "/")


def modules_in(place: str, *, outside: tuple[str, ...] = ()) -> tuple[Module, ...]:
    return tuple(
        module
        for module in modules()
        if lies_in(module.path, place) and not any(lies_in(module.path, other) for other in outside)
    )


def stands(place: str) -> bool:
    """Whether a place that a rule names is in the tree, or at least announced."""
    return (ROOT / place).exists() or any(lies_in(place, other) for other in NOT_BUILT_YET)
