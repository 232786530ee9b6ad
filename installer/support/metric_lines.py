"""Metrics as they may leave (pure): this product's own, with labels that the config or the code gives."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from installer.support.forms import Form, code, name, path, version

_LINE: Final = re.compile(r"(?P<metric>ao_[a-z_]{1,60})(\{(?P<labels>.*)\})? (?P<value>[-+0-9.eE]+|NaN|[+-]Inf)")
_LABEL: Final = re.compile(r'([a-z_]{1,20})="((?:[^"\\]|\\.)*)"(?:,|$)')


def _bound(value: object) -> object | None:
    return value if isinstance(value, str) and re.fullmatch(r"\+Inf|[0-9.e+-]{1,12}", value) else None


def _endpoint(value: object) -> object | None:
    return name(value) or path(value)


LABELS: Final[dict[str, Form]] = {
    "model": name,
    "endpoint": _endpoint,
    "provider": name,
    "deployment": name,
    "outcome": code,
    "kind": code,
    "code": code,
    "status": code,
    "rung": code,
    "edition": code,
    "version": version,
    "site": name,
    "le": _bound,
}


@dataclass(frozen=True, slots=True)
class Metrics:
    lines: tuple[str, ...]
    left_out: tuple[str, ...]


def admit_metrics(text: str) -> Metrics:
    """Lines whose metric and every label are known; help and type lines are the page METRICS.md and stay here."""
    kept, left = [], dict[str, None]()
    for line in text.split("\n"):
        if not line or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            left["a metric of another name"] = None
        elif (label := _unknown_label(found["labels"] or "")) is not None:
            left[f"{found['metric']}, label {label}"] = None
        else:
            kept.append(line)
    return Metrics(tuple(kept), tuple(left))


def _unknown_label(labels: str) -> str | None:
    position = 0
    while position < len(labels):
        found = _LABEL.match(labels, position)
        if found is None:
            return "(unreadable)"
        form = LABELS.get(found[1])
        if form is None or (found[2] and form(found[2]) is None):
            return found[1] if form else "(of another name)"
        position = found.end()
    return None
