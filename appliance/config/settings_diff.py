"""What changes in a config beside its models, key by key (pure): sections that this page was never told of included.

A value under a name that sounds like a secret is compared and never shown.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from licensing.config_header import HEADER_MEMBERS
from licensing.shown import shown
from media.yaml_document import NodePath, Value, dotted

HIDDEN: Final = "(hidden)"
_SECRET: Final = re.compile(r"key|secret|token|passw|passphrase|credential|authorization|cookie", re.IGNORECASE)
_NOT_A_SECRET: Final = re.compile(r"^(.*_)?tokens(_.*)?$|tpm", re.IGNORECASE)
_ELSEWHERE: Final = frozenset({"models", "usage", *HEADER_MEMBERS})
_LENGTH: Final = 200
_WORDS: Final[Mapping[bool | None, str]] = {None: "null", True: "true", False: "false"}

Leaf: TypeAlias = str | int | float | bool | None
Leaves: TypeAlias = Mapping[NodePath, tuple[type, Leaf]]
"""Each with its type, since `true` and "true", 1 and 1.0 are not the same setting."""


@dataclass(frozen=True, slots=True)
class SettingChange:
    """One key with its value before and after, as text; None where it is not there."""

    path: str
    before: str | None
    after: str | None

    def line(self) -> str:
        if self.before is None:
            return f"+ {self.path}: {self.after}"
        if self.after is None:
            return f"- {self.path}: {self.before}"
        return f"~ {self.path}: {self.before} -> {self.after}"


def settings_changed(before: Value, after: Value) -> tuple[SettingChange, ...]:
    """The keys outside `models` and the head whose values differ, in the order of the new text, then those gone."""
    old, new = _settings(before), _settings(after)
    paths = [*new, *(path for path in old if path not in new)]
    return tuple(
        SettingChange(dotted(path), _told(path, old), _told(path, new))
        for path in paths
        if old.get(path) != new.get(path)
    )


def extras_of(entry: Value, told: Collection[str] = ("alias", "provider", "tags")) -> str:
    """What a model's entry says beside what is told in other words: "on_departure: drain, drain_seconds: 8"."""
    rest = {k: v for k, v in entry.items() if k not in told} if isinstance(entry, dict) else {}
    found = _leaves(rest)
    return ", ".join(f"{dotted(path)}: {_told(path, found)}" for path in found)


def _told(path: NodePath, leaves: Leaves) -> str | None:
    """As much of a value as may be seen; cut where it is long, so that two that differ may look the same."""
    if path not in leaves:
        return None
    kind, value = leaves[path]
    if _hidden(path, value):
        return HIDDEN
    if kind in (dict, list):
        return "{}" if kind is dict else "[]"
    return _WORDS[value] if value is None or isinstance(value, bool) else shown(str(value), _LENGTH)


def _hidden(path: NodePath, value: Leaf) -> bool:
    """A switch is no secret, whatever it is called; of anything else each name on the way to it counts."""
    names = [step for step in path if isinstance(step, str)]
    if value is None or isinstance(value, bool):
        return False
    return any(_SECRET.search(each) and not _NOT_A_SECRET.search(each) for each in names)


def _settings(value: Value) -> Leaves:
    rest = {k: v for k, v in value.items() if k not in _ELSEWHERE} if isinstance(value, dict) else {}
    return _leaves(rest)


def _leaves(settings: dict[str, Value]) -> Leaves:
    found: dict[NodePath, tuple[type, Leaf]] = {}
    for name, value in settings.items():
        _collect(value, (name,), found)
    return found


def _collect(value: Value, path: NodePath, found: dict[NodePath, tuple[type, Leaf]]) -> None:
    """An empty mapping or list counts as a value. Depth is bounded by the reader's limits."""
    if isinstance(value, dict):
        for name, each in value.items():
            _collect(each, (*path, name), found)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            _collect(each, (*path, number), found)
    if not isinstance(value, dict | list):
        found[path] = (type(value), value)
    elif not value:
        found[path] = (type(value), None)
