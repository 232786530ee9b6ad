"""How much a key is used as a leaked one would be: signals, each with its points and its values, in words (pure).

The points of all signals are added. They count in proportion to what is known of the key: not at all before its third
day of use and its hundredth call, in full from the seventh day on. What is refused without being throttled counts from
the first day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import log2
from types import MappingProxyType
from typing import Final, Literal, get_args

from appliance.access.anomaly.history import (
    BUCKET,
    DAY,
    History,
    far_apart,
    hour_of,
    is_new,
    region,
    usual_top,
)
from appliance.access.anomaly.surroundings import Surroundings

Sensitivity = Literal["off", "low", "normal", "high"]
SENSITIVITIES: tuple[Sensitivity, ...] = get_args(Sensitivity)
Mode = Literal["shadow", "enforce"]
MODES: tuple[Mode, ...] = get_args(Mode)
THRESHOLDS: Final[Mapping[Sensitivity, int]] = MappingProxyType({"low": 100, "normal": 70, "high": 50})

FIRST_DAYS, FULL_DAYS, FIRST_CALLS = 3, 7, 100
MANY_CALLS, MANY_TOKENS = 40, 40_000
"""Fewer in five minutes, and a jump is none."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How a team's keys are watched."""

    sensitivity: Sensitivity = "normal"
    mode: Mode = "shadow"

    @property
    def threshold(self) -> int | None:
        return THRESHOLDS.get(self.sensitivity)


@dataclass(frozen=True, slots=True)
class Signal:
    name: str
    points: int
    words: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """`weight` is the part of the points that counts, by how much is known of the key."""

    score: int
    weight: float
    signals: tuple[Signal, ...]

    @property
    def words(self) -> str:
        return "; ".join(f"{each.words} (+{each.points})" for each in self.signals) or "nothing unusual"


def judge(history: History, around: Surroundings, account: str, at: int) -> Judgement:
    """What is to be thought of a key now."""
    weight = knowledge(history)
    found = [each for each in _signals(history, around, account, at) if each.points > 0] if weight else []
    found += [each for each in _refused(history) if each.points > 0]
    signals = tuple(sorted(found, key=lambda each: -each.points))
    counted = sum(each.points * (1.0 if each.name == "refused" else weight) for each in signals)
    return Judgement(round(counted), weight, signals)


def knowledge(history: History) -> float:
    """0 to 1."""
    if history.days < FIRST_DAYS or history.requests < FIRST_CALLS:
        return 0.0
    return min(1.0, history.days / FULL_DAYS)


def _signals(history: History, around: Surroundings, account: str, at: int) -> Iterator[Signal]:
    strange = [
        name for name, met in history.networks.items() if is_new(met, history, at) and at - met.last <= 3 * BUCKET
    ]
    unknown = [name for name in strange if not around.is_usual("n", name, account)]
    yield from _networks(history, unknown, strange)
    yield from _volume(history, at)
    yield from _models(history, around, account, at)
    yield from _hours(history, at)


def _networks(history: History, unknown: list[str], strange: list[str]) -> Iterator[Signal]:
    if not strange:
        return
    known = [name for name in history.networks if name not in strange]
    far = [name for name in unknown if known and all(far_apart(name, each) for each in known)]
    if unknown:
        # A key that is used from here and there says less by being used from yet another place.
        places = len({region(each) for each in known}) if far else len(known)
        habit = 1 / (1 + max(0, places - 3) / 4)
        points = (30 + 10 * bool(far)) * habit
        which = "far from all before, " if far else ""
        yield Signal("new_network", round(points), f"used from {_some(unknown)}, {which}not seen before")
    else:
        yield Signal("new_network", 5, f"used from {_some(strange)}, new for this key and usual for the site")
    if far and history.together:
        points = min(50, 20 + 5 * history.together)
        words = f"at once from there and from where it is usually used, in {history.together} spans of five minutes"
        yield Signal("at_once", points, words)


def _volume(history: History, at: int) -> Iterator[Signal]:
    bucket, calls, tokens = history.bucket, (0, ""), (0, "")
    if bucket.requests >= MANY_CALLS:
        usual = max(usual_top(history.levels_requests), history.accepted_peak[0])
        calls = _jump(bucket.requests, usual, MANY_CALLS)
    if bucket.tokens >= MANY_TOKENS:
        usual = max(1000 * usual_top(history.levels_tokens), history.accepted_peak[1])
        tokens = _jump(bucket.tokens, usual, MANY_TOKENS)
    points, words = max(calls, tokens)
    if points:
        what = "calls" if (points, words) == calls else "tokens"
        yield Signal("jump", points, f"{words.format(what)} in five minutes")
    if len(history.past_days) >= FULL_DAYS:
        most = [max(each[of] for each in history.past_days) for of in (0, 1)]
        today = (history.day.requests, history.day.tokens)
        ratio, of = max((today[of] / max(most[of], (10 * MANY_CALLS, 10 * MANY_TOKENS)[of]), of) for of in (0, 1))
        if ratio >= 2:
            what = ("calls", "tokens")[of]
            words = f"{today[of]:,} {what} today, and {most[of]:,} on the busiest of {len(history.past_days)} days"
            yield Signal("day", min(35, round(15 + 10 * log2(ratio / 2))), words)


def _jump(now: int, usual: float, many: int) -> tuple[int, str]:
    ratio = now / max(usual, many / 4)
    if ratio < 3:
        return 0, ""
    return min(40, round(20 + 10 * log2(ratio / 3))), f"{now:,} {{}}, and at most about {usual:,.0f}"


def _models(history: History, around: Surroundings, account: str, at: int) -> Iterator[Signal]:
    recent = [name for name, met in history.models.items() if is_new(met, history, at) and at - met.last <= 3 * BUCKET]
    own = [name for name in recent if not around.is_usual("m", name, account)]
    if own:
        yield Signal("new_model", min(25, 8 * len(own)), f"asks for {_some(own)}, for the first time")


def _hours(history: History, at: int) -> Iterator[Signal]:
    if history.bucket.requests < 5:
        return
    hour = hour_of(at)
    days = history.hour_days[hour // 24]
    # The hour now begun was counted when it began.
    seen = history.hours[hour] - (history.hour_seen == at // 3_600_000)
    near = max(history.hours[_beside(hour, step)] for step in (-1, 1))
    if days < 5 and hour < 24:
        return
    if days < 2 or max(seen, near * 0.6) / days > 0.06:
        return
    kind = "working days" if hour < 24 else "weekends"
    points = 30 if history.bucket.requests >= 20 else 20
    yield Signal("hour", points, f"in use at {hour % 24:02}:00 (UTC), when on {kind} it is not")


def _beside(hour: int, step: int) -> int:
    return (hour % 24 + step) % 24 + (24 if hour >= 24 else 0)


def _refused(history: History) -> Iterator[Signal]:
    bucket = history.bucket
    share = bucket.refused / max(1.0, bucket.refused + bucket.requests)
    if bucket.refused < 20 or share < 0.3 or bucket.refused < 3 * usual_top(history.levels_refused):
        return
    points = min(45, round(25 + 10 * log2(bucket.refused / 20)))
    words = f"{bucket.refused:.0f} refused requests, {share:.0%} of all, within minutes"
    yield Signal("refused", points, words)


def _some(names: list[str]) -> str:
    told = ", ".join(names[:3])
    return told if len(names) <= 3 else f"{told} and {len(names) - 3} more"


def is_news(history: History, judgement: Judgement, at: int) -> bool:
    """Whether a finding is to be told: once a day, or when it has become much worse."""
    return at - history.found >= DAY or judgement.score >= history.found_score + 30
