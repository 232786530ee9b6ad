"""Whose use is counted, what a call may use up, and what it is told: plain values, and the calendar of budgets."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from appliance.access.caps import COUNTED, Caps

DAY_SECONDS: Final = 86_400
ENDLESS: Final = 2**62
LARGEST_CALL: Final = 2**40
_EPOCH: Final = date(1970, 1, 1).toordinal()

Tier = Literal["licence", "org", "team", "key"]
Limit = Literal["rpm", "tpm", "concurrent", "tokens_day", "tokens_month", "cost_day", "cost_month"]


@dataclass(frozen=True, slots=True)
class Spent:
    """What the ledger knows of a day (since 1970, UTC) and its month: tokens, and cost in millionths."""

    day: int = 0
    day_tokens: int = 0
    day_cost: int = 0
    month: int = 0
    month_tokens: int = 0
    month_cost: int = 0


@dataclass(frozen=True, slots=True)
class Account:
    """One tier's caps, and what is known to be used up of them. `name` is told in refusals; `id` never changes."""

    tier: Tier
    id: str
    name: str
    caps: Caps
    spent: Spent = Spent()
    mark: bytes = field(init=False)
    most: tuple[int, ...] = field(init=False)
    only_requests: bool = field(init=False)
    """Nothing of a call is left to be settled when it is over."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "mark", hashlib.blake2b(self.id.encode(), digest_size=16).digest())
        most = tuple(ENDLESS if (cap := getattr(self.caps, name)) is None else cap for name in COUNTED)
        object.__setattr__(self, "most", most)
        object.__setattr__(self, "only_requests", all(cap == ENDLESS for cap in most[1:]))


@dataclass(frozen=True, slots=True)
class Ask:
    """What a call may use up: its prompt as estimated, what it is let say at most (`bounded`: by its own words), and
    what that would cost in millionths."""

    prompt: int = 0
    output: int = 0
    bounded: bool = False
    cost: int = 0

    @property
    def tokens(self) -> int:
        return min(self.prompt + self.output, LARGEST_CALL)


class Moment(NamedTuple):
    """`seconds` since this host's start, `wall` since 1970."""

    seconds: float
    wall: float

    @property
    def day(self) -> int:
        return int(self.wall // DAY_SECONDS)

    @property
    def month(self) -> int:
        return month_of(self.day)


class Room(NamedTuple):
    """What is left of the tightest cap of a kind. `reset_after`: seconds until something of it frees up."""

    cap: int
    left: int
    reset_after: float


@dataclass(frozen=True, slots=True)
class Full:
    """What a call does not fit, and for how long (seconds; None: never, it asks for more than the cap itself)."""

    account: Account
    limit: Limit
    cap: int
    wait: float | None
    needed: int = 0


@lru_cache(maxsize=64)
def month_of(day: int) -> int:
    """A number for the month that a day (since 1970, UTC) is in."""
    then = time.gmtime(day * DAY_SECONDS)
    return then.tm_year * 12 + then.tm_mon - 1


def first_day_of(month: int) -> int:
    year, number = divmod(month, 12)
    return date(year, number + 1, 1).toordinal() - _EPOCH
