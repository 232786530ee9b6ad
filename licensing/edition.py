"""The editions, in one table: the caps that come with each where a licence states none of its own.

A cap of None is unlimited. An add-on unlocks what it is named for in any edition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

EditionName = Literal["pro", "team", "business", "enterprise"]

DEMO_ADD_ON = "demo"


@dataclass(frozen=True, slots=True)
class Edition:
    """Caps per minute for the whole site, as the tier table grants them when a licence states none of its own."""

    name: EditionName
    title: str
    rpm: int | None
    tpm: int | None


EDITIONS: Mapping[EditionName, Edition] = MappingProxyType(
    {
        "pro": Edition("pro", "Pro", 600, 5_000_000),
        "team": Edition("team", "Team", 3_000, 30_000_000),
        "business": Edition("business", "Business", 10_000, None),
        "enterprise": Edition("enterprise", "Enterprise", None, None),
    }
)
