"""What a YAML document says, and where it says it.

Values and places only; reading is `strict_yaml.load`, the one way in for callers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from licensing.shown import shown

Value: TypeAlias = "dict[str, Value] | list[Value] | str | int | float | bool | None"
NodePath: TypeAlias = tuple[str | int, ...]

_SIMPLE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Limits:
    """How much a document may hold; `nodes` counts mappings, lists and scalars, keys among them."""

    bytes: int = 1024 * 1024
    depth: int = 16
    nodes: int = 50_000
    scalar: int = 64 * 1024


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the document; both count from 1, columns in characters."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


@dataclass(frozen=True)
class Document:
    """The value, and the place of every node by its path: for an entry of a mapping, the place of its key.

    `spans`: where each scalar that is a value begins and ends in the text, in characters, its quotes included.
    """

    value: Value
    positions: Mapping[NodePath, Position]
    spans: Mapping[NodePath, tuple[int, int]] = field(default_factory=dict)

    def where(self, path: NodePath) -> str:
        """`path` for a person: "line 7, models[1].provider.name".

        The line is that of the nearest node on the way there that the document has, so that a missing key is pointed
        at where it should have been.
        """
        known = next(path[:end] for end in range(len(path), -1, -1) if path[:end] in self.positions)
        line = f"line {self.positions[known].line}"
        return f"{line}, {dotted(path)}" if path else line


def dotted(path: NodePath) -> str:
    """ "models[1].provider.name": keys and numbers as a person writes them."""
    words = ""
    for step in path:
        if isinstance(step, int):
            words += f"[{step}]"
        elif _SIMPLE_KEY.fullmatch(step):
            words += f".{step}" if words else step
        else:  # a dot or a blank in a key must not read as two steps
            words += f'["{shown(step)}"]'
    return words
