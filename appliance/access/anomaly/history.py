"""What is usual for a key: a bounded memory of when, from where, for what and how much it was used (pure).

Promise: `learn` and `accept` give a new state of the history from the old one and what happened, and nothing else
counts; no word of a call is in it, and a source is kept as a network (/24, /48), never as an address. Its size is
bounded whatever a key is used for. Times are milliseconds since 1970.
"""

from __future__ import annotations

from typing import Final

import msgspec

BUCKET: Final = 5 * 60_000
HOUR: Final = 3_600_000
DAY: Final = 86_400_000
NETWORKS, MODELS, DAYS = 64, 64, 35
_LEVELS: Final = 32
"""Classes of an amount by its binary logarithm, halves: 2^0 to 2^16 calls, and the same times 1,000 tokens."""

_DAILY_DECAY: Final = 0.97
"""What a day's habits weigh after a day: half after about three weeks."""

NEW_FOR: Final = 7 * DAY
"""How long a network or a model stays new after it was first met, unless an operator has found it good."""

GONE_AFTER: Final = 45 * DAY


class Happened(msgspec.Struct, frozen=True):
    """One call of a key, or `refused` times the same refusal. `source` is a network, or empty where nobody knows."""

    at: int
    ended_at: int
    source: str
    model: str
    tokens: int
    refused: int = 0
    throttled: bool = False
    """Refused for a cap: an app at its limit sees many of these, and they weigh little."""


class Met(msgspec.Struct):
    """Something that a key was used from or for: first and last when, and how often."""

    first: int
    last: int
    count: int = 0


class Bucket(msgspec.Struct):
    """Five minutes, or a day."""

    start: int = 0
    requests: int = 0
    tokens: int = 0
    refused: float = 0.0
    strange: int = 0
    """Calls from networks that were new."""


class History(msgspec.Struct):
    """Of one account. `hours`: of the 24 hours of working days (0-23) and of the others (24-47), on how many days each
    was in use, `hour_days` how many days there were; both fade. `levels_*`: how many buckets were in each class."""

    began: int = 0
    last: int = 0
    requests: int = 0
    days: int = 0
    accepted: int = 0
    found: int = 0
    found_score: int = 0
    networks: dict[str, Met] = {}
    models: dict[str, Met] = {}
    hours: list[float] = msgspec.field(default_factory=lambda: [0.0] * 48)
    hour_days: list[float] = msgspec.field(default_factory=lambda: [0.0, 0.0])
    hour_seen: int = 0
    levels_requests: list[float] = msgspec.field(default_factory=lambda: [0.0] * _LEVELS)
    levels_tokens: list[float] = msgspec.field(default_factory=lambda: [0.0] * _LEVELS)
    levels_refused: list[float] = msgspec.field(default_factory=lambda: [0.0] * _LEVELS)
    bucket: Bucket = msgspec.field(default_factory=Bucket)
    day: Bucket = msgspec.field(default_factory=Bucket)
    past_days: list[list[int]] = []
    """Requests and tokens of the last days on which it was used."""

    together: int = 0
    """In how many buckets since `together_since` it was used at once from a known and a far-away new network."""

    together_at: int = 0
    accepted_peak: list[int] = msgspec.field(default_factory=lambda: [0, 0])
    """The most calls and tokens in a bucket that an operator has found good, until the levels know of it."""


def level(amount: float) -> int:
    """The class of an amount: 0 for none, then two for each doubling."""
    whole = int(amount)
    if whole <= 0:
        return 0
    exponent = whole.bit_length() - 1
    half = 1 if whole * whole >= 2 << 2 * exponent else 0
    return min(_LEVELS - 1, 1 + 2 * exponent + half)


def amount_of(of_level: int) -> float:
    """The upper end of a class."""
    return 0.0 if of_level <= 0 else 2.0 ** (of_level / 2)


def usual_top(levels: list[float]) -> float:
    """The most that is usual: what at most a thousandth of all buckets, and fewer than two, exceed."""
    total = sum(levels)
    above = 0.0
    for each in range(_LEVELS - 1, 0, -1):
        above += levels[each]
        if above >= max(1.5, total / 1000):
            return amount_of(each)
    return 0.0


def hour_of(at: int) -> int:
    """Which of the 48: the hour (UTC), and whether it is a working day. (1 January 1970 was a Thursday.)"""
    weekend = (at // DAY + 3) % 7 >= 5
    return at // HOUR % 24 + (24 if weekend else 0)


def is_new(met: Met, history: History, at: int) -> bool:
    return met.first > history.accepted and at - met.first < NEW_FOR and met.first - history.began >= DAY


def learn(history: History, happened: Happened) -> None:
    """Takes one thing in. (The history is changed in place: there are thousands a second.)"""
    at = happened.at
    if not history.began:
        history.began = at
    _open_day(history, at)
    _open_bucket(history, at)
    history.last = max(history.last, at)
    bucket, day = history.bucket, history.day
    if happened.refused:
        weight = happened.refused * (0.1 if happened.throttled else 1.0)
        bucket.refused += weight
        day.refused += weight
        if happened.source:
            _meet(history.networks, happened.source, at, NETWORKS)
        return
    history.requests += 1
    for each in (bucket, day):
        each.requests += 1
        each.tokens += happened.tokens
    if happened.source:
        met = _meet(history.networks, happened.source, at, NETWORKS)
        if is_new(met, history, at):
            bucket.strange += 1
            _note_together(history, happened.source, at)
    if happened.model:
        _meet(history.models, happened.model, at, MODELS)


def accept(history: History, at: int) -> None:
    """An operator has found the key's use good: what it was met with until then is usual from now on."""
    history.accepted = max(history.accepted, at)
    history.found = history.found_score = 0
    history.together = history.together_at = 0
    day = history.day
    history.accepted_peak = [
        max(history.accepted_peak[0], history.bucket.requests, day.requests // 12),
        max(history.accepted_peak[1], history.bucket.tokens, day.tokens // 12),
    ]
    history.bucket.refused = 0.0
    if day.requests:
        history.past_days.append([day.requests, day.tokens])
        del history.past_days[:-DAYS]
    for offset in (-1, 0, 1):
        hour = hour_of(at + offset * HOUR)
        history.hours[hour] = max(history.hours[hour], history.hour_days[hour // 24])


def far_apart(one: str, other: str) -> bool:
    """Whether two networks are not of one /16 (IPv4) or one /32 (IPv6)."""
    return region(one) != region(other)


def region(network: str) -> str:
    plain = network.partition("/")[0]
    return ":".join(plain.split(":")[:2]) if ":" in plain else ".".join(plain.split(".")[:2])


def _note_together(history: History, source: str, at: int) -> None:
    """Counts a bucket in which a known network is in use as well, far from the new one."""
    start = history.bucket.start
    if history.together_at == start:
        return
    for name, met in history.networks.items():
        if abs(at - met.last) <= BUCKET and not is_new(met, history, at) and far_apart(name, source):
            history.together_at = start
            history.together = min(history.together + 1, 1000)
            return


def _meet(known: dict[str, Met], name: str, at: int, limit: int) -> Met:
    met = known.get(name)
    if met is None:
        if len(known) >= limit:
            # What was met longest ago makes room.
            del known[min(known, key=lambda each: known[each].last)]
        met = known[name] = Met(first=at, last=at)
    elif at - met.last > GONE_AFTER:
        met.first, met.count = at, 0
    met.last = max(met.last, at)
    met.count += 1
    return met


def _open_bucket(history: History, at: int) -> None:
    start = at - at % BUCKET
    bucket = history.bucket
    if bucket.start - start > DAY:
        # The clock was set back: what was counted ahead of it is not waited for.
        history.bucket = Bucket(start=start)
        return
    if start <= bucket.start:
        return
    if bucket.start:
        if bucket.requests or bucket.tokens:
            history.levels_requests[level(bucket.requests)] += 1
            history.levels_tokens[level(bucket.tokens / 1000)] += 1
        history.levels_refused[level(bucket.refused)] += 1
        # A quarter of an hour of refusals is one thing.
        kept = bucket.refused * 0.5 if start - bucket.start == BUCKET else 0.0
        history.bucket = Bucket(start=start, refused=kept)
    else:
        bucket.start = start
    if start - history.together_at > DAY:
        history.together = 0
    hour = hour_of(at)
    if history.hour_seen != at // HOUR:
        history.hour_seen = at // HOUR
        history.hours[hour] += 1


def _open_day(history: History, at: int) -> None:
    start = at - at % DAY
    day = history.day
    if day.start - start > DAY:
        history.day = Bucket(start=start)
        return
    if start <= day.start:
        return
    if day.start:
        if day.requests:
            history.past_days.append([day.requests, day.tokens])
            del history.past_days[:-DAYS]
        passed = min((start - day.start) // DAY, 60)
        for levels in (history.levels_requests, history.levels_tokens, history.levels_refused, history.hours):
            levels[:] = [each * _DAILY_DECAY**passed for each in levels]
        history.hour_days = [each * _DAILY_DECAY**passed for each in history.hour_days]
        # Every day that passed counts for its hours, whether the key was used on it or not.
        for back in range(passed):
            history.hour_days[hour_of(start - back * DAY) // 24] += 1
    else:
        history.hour_days[hour_of(start) // 24] += 1
    history.days += 1
    history.day = Bucket(start=start)
