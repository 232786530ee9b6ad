"""What changes in a config beside its models, key by key (pure): sections that this page was never told of included.

A value under a name that sounds like a secret is compared and never shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from licensing.config_header import HEADER_MEMBERS
from licensing.shown import shown
from media.yaml_document import Value

HIDDEN: Final = "(hidden)"
_SECRET: Final = re.compile(r"key|secret|token|password|credential", re.IGNORECASE)
_NOT_A_SECRET: Final = re.compile(r"tokens\b|max_tokens|tpm", re.IGNORECASE)
_ELSEWHERE: Final = frozenset({"models", "usage", *HEADER_MEMBERS})
_LENGTH: Final = 200
_WORDS: Final[Mapping[bool | None, str]] = {None: "null", True: "true", False: "false"}


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
    old, new = _flat(before), _flat(after)
    names = [*new, *(name for name in old if name not in new)]
    return tuple(
        SettingChange(name, _told(name, old.get(name)), _told(name, new.get(name)))
        for name in names
        if old.get(name) != new.get(name)
    )


def extras_of(entry: Value) -> str:
    """What a model's entry says beside its alias, provider and tags: "weight: 10, limits.concurrent: 8"."""
    rest = {k: v for k, v in entry.items() if k not in ("alias", "provider", "tags")} if isinstance(entry, dict) else {}
    found: dict[str, str] = {}
    _collect(rest, "", found)
    return ", ".join(f"{name}: {_told(name, value)}" for name, value in found.items())


def _told(name: str, value: str | None) -> str | None:
    if value is None:
        return None
    last = name.rpartition(".")[2]
    return HIDDEN if _SECRET.search(last) and not _NOT_A_SECRET.search(last) else value


def _flat(value: Value) -> Mapping[str, str]:
    found: dict[str, str] = {}
    if isinstance(value, dict):
        _collect({name: each for name, each in value.items() if name not in _ELSEWHERE}, "", found)
    return found


def _collect(value: Value, path: str, found: dict[str, str]) -> None:
    """Depth is bounded by the reader's limits."""
    if isinstance(value, dict):
        for name, each in value.items():
            _collect(each, f"{path}.{shown(name)}" if path else shown(name), found)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            _collect(each, f"{path}[{number}]", found)
    else:
        found[path] = _WORDS[value] if value is None or isinstance(value, bool) else shown(str(value), _LENGTH)
