"""A support bundle as bytes (pure): a line of JSON each, the first saying what the others are.

The same parts give the same bytes. Whoever guards the gate reads it in any editor; nothing is packed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

KIND: Final = "ao-support-bundle"
SCHEMA: Final = 1
PART_BYTES: Final = 512 * 1024
LOG_BYTES: Final = 4 * 1024 * 1024
LOGS: Final = "logs"


@dataclass(frozen=True, slots=True)
class Part:
    """`what` says in a line what it holds; `left_out` names what was there and stays; `cut` counts the records that
    were too many, the oldest."""

    name: str
    what: str
    records: Sequence[dict[str, Any]]
    left_out: tuple[str, ...] = ()
    cut: int = 0

    @property
    def lines(self) -> bytes:
        return b"".join(_line({"part": self.name, **record}) for record in self.records)

    def as_dict(self) -> dict[str, Any]:
        data = self.lines
        return {
            "part": self.name,
            "what": self.what,
            "records": len(self.records),
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "left_out": list(self.left_out),
            "cut": self.cut,
        }


@dataclass(frozen=True, slots=True)
class Bundle:
    made_at: str
    version: str
    parts: tuple[Part, ...]
    searched_for: int
    """How many of this host's secrets its bytes were searched for."""

    def to_bytes(self) -> bytes:
        head = {
            "kind": KIND,
            "schema": SCHEMA,
            "made_at": self.made_at,
            "version": self.version,
            "searched_for": self.searched_for,
            "parts": [each.as_dict() for each in self.parts],
        }
        return _line(head) + b"".join(each.lines for each in self.parts)


def within_limits(part: Part) -> Part:
    """The newest records that fit."""
    room = LOG_BYTES if part.name == LOGS else PART_BYTES
    kept = 0
    for record in reversed(part.records):
        room -= len(_line({"part": part.name, **record}))
        if room < 0:
            break
        kept += 1
    cut = len(part.records) - kept
    return replace(part, records=part.records[cut:], cut=part.cut + cut) if cut else part


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"
