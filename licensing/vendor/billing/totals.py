"""What accepted usage adds up to. Pure; a file counts whole, on the day that its period starts."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

from licensing.usage import COUNT_FIELDS, Counts, Usage

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Line:
    """What one team of one site used of one model on one day (UTC)."""

    site: str
    day: date
    org: str
    team: str
    model: str
    counts: Counts


def lines_of(files: Iterable[Usage]) -> list[Line]:
    """The lines of these files in order; rows that differ only in key or provider are one."""
    sums: dict[tuple[str, date, str, str, str], list[int]] = {}
    for usage in files:
        day = usage.period.start.date()
        for row in usage.rows:
            add(sums.setdefault((usage.site, day, row.org, row.team, row.model), [0] * len(COUNT_FIELDS)), row.counts)
    return [Line(*key, counts_of(sums[key])) for key in sorted(sums)]


def summed(lines: Iterable[Line], by: Callable[[Line], K]) -> dict[K, Counts]:
    """The lines added up under whatever `by` says of them, in the order first met."""
    sums: dict[K, list[int]] = {}
    for line in lines:
        add(sums.setdefault(by(line), [0] * len(COUNT_FIELDS)), line.counts)
    return {key: counts_of(sums[key]) for key in sums}


def add(numbers: list[int], counts: Counts) -> None:
    """Adds in place: a model object for each of a million rows would be most of the work."""
    for place, name in enumerate(COUNT_FIELDS):
        numbers[place] += getattr(counts, name)


def counts_of(numbers: Iterable[int]) -> Counts:
    """Not validated: a sum may exceed what one file may state."""
    values: dict[str, Any] = dict(zip(COUNT_FIELDS, numbers, strict=True))
    return Counts.model_construct(**values)
