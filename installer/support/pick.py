"""Takes out of a document what an allow-list names, and says by name what it left (pure).

A shape is a form for one value, a dict of shapes by member, a list of one shape for each element, or `Each(form,
shape)` for members whose names are the config's own. What no shape names stays, however harmless it may look.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from installer.support.forms import Form

MEMBERS_NAMED: Final = 60
_OURS: Final = re.compile(r"[a-z][a-z_]{0,30}")


@dataclass(frozen=True, slots=True)
class Each:
    """Members by names that are not ours: a name leaves only in this form."""

    named: Form
    shape: Any


@dataclass(frozen=True, slots=True)
class Picked:
    """`left_out` are paths of members, each once; `[]` stands for any element. A member's own name is shown only where
    it is one that this product could have given."""

    value: Any
    left_out: tuple[str, ...]


def pick(value: object, shape: Any) -> Picked:
    left: dict[str, None] = {}
    picked = _pick(value, shape, "", left)
    return Picked(picked, tuple(left)[:MEMBERS_NAMED])


def _pick(value: object, shape: Any, place: str, left: dict[str, None]) -> Any:
    if value is None:
        return None
    match shape:
        case dict() if isinstance(value, Mapping):
            return _members(value, shape, place, left)
        case [inner] if isinstance(value, Sequence) and not isinstance(value, str):
            kept = (_pick(each, inner, f"{place}[]", left) for each in value)
            return [each for each in kept if each is not None]
        case Each() if isinstance(value, Mapping):
            found = {}
            for member, inside in value.items():
                if (shown := shape.named(member)) is None:
                    left[f"{place}.*"] = None
                else:
                    found[str(shown)] = _pick(inside, shape.shape, f"{place}.*", left)
            return found
        case dict() | [_] | Each():
            left[place or "."] = None
            return None
    if (kept_value := shape(value)) is None:
        left[place or "."] = None
    return kept_value


def _members(value: Mapping[Any, Any], shape: Mapping[str, Any], place: str, left: dict[str, None]) -> dict[str, Any]:
    found = {}
    for member, inside in value.items():
        below = f"{place}.{member}" if place else str(member)
        if member in shape:
            kept = _pick(inside, shape[member], below, left)
            if kept is not None or inside is None:
                found[member] = kept
        else:
            # Whatever is not known by name may have been given its name by anybody.
            known = isinstance(member, str) and _OURS.fullmatch(member)
            left[below if known else f"{place}.(a member of another name)".lstrip(".")] = None
    return found
