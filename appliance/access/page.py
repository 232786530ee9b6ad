"""What is counted of one account, in its page of the region: brought up to a moment, held against caps, charged.

Whoever calls any of this holds the region's lock. `start` is the word at which an account's page begins.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from appliance.access import region as at
from appliance.access import window
from appliance.access.account import (
    DAY_SECONDS,
    ENDLESS,
    Account,
    Ask,
    Full,
    Moment,
    Room,
    Spent,
    first_day_of,
    month_of,
)
from appliance.access.caps import COUNTED
from appliance.access.region import PAGE
from appliance.access.window import WINDOW_SECONDS, bucket_at

SOON: Final = 1.0
"""When to come again where it depends on when others are done (seconds)."""


def bring(words: memoryview, start: int, bucket: int, day: int) -> None:
    """Brings an account up to a moment: what left the window goes, and a new day or month begins at nothing."""
    last = words[start + at.LAST]
    if last == bucket and words[start + at.DAY] == day:
        return
    if bucket > last or last - bucket > window.BUCKETS:
        # (A time so far ahead was never one of this boot's.)
        first = last + 1 if bucket > last else bucket - window.BUCKETS
        if words[start + at.REQUESTS]:
            words[start + at.REQUESTS] -= window.expire(words, start + at.REQUEST_RING, first, bucket)
        if words[start + at.TOKENS]:
            words[start + at.TOKENS] -= window.expire(words, start + at.TOKEN_RING, first, bucket)
        words[start + at.LAST] = bucket
    if day > words[start + at.DAY]:
        words[start + at.DAY] = day
        words[start + at.DAY_TOKENS] = words[start + at.DAY_COST] = 0
        month = month_of(day)
        if month > words[start + at.MONTH]:
            words[start + at.MONTH] = month
            words[start + at.MONTH_TOKENS] = words[start + at.MONTH_COST] = 0


def know_at_least(words: memoryview, start: int, spent: Spent, moment: Moment) -> None:
    """What the ledger knows is used up, whatever this file says. A day that has not come yet was never one."""
    if words[start + at.DAY] > moment.day:
        words[start + at.DAY] = 0
    if words[start + at.MONTH] > moment.month:
        words[start + at.MONTH] = 0
    for period, tokens, cost, known in (
        (at.DAY, at.DAY_TOKENS, at.DAY_COST, (spent.day, spent.day_tokens, spent.day_cost)),
        (at.MONTH, at.MONTH_TOKENS, at.MONTH_COST, (spent.month, spent.month_tokens, spent.month_cost)),
    ):
        if known[0] > words[start + period]:
            words[start + period], words[start + tokens], words[start + cost] = known
        elif known[0] == words[start + period]:
            words[start + tokens] = max(words[start + tokens], known[1])
            words[start + cost] = max(words[start + cost], known[2])


def fits(words: memoryview, start: int, most: tuple[int, ...], tokens: int, cost: int) -> bool:
    """Whether there is certainly room for all that a call may use up."""
    rpm, tpm, concurrent, tokens_day, tokens_month, cost_day, cost_month = most
    tokens += words[start + at.RESERVED]
    cost += words[start + at.RESERVED_COST]
    return bool(
        words[start + at.REQUESTS] < rpm
        and words[start + at.OPEN] < concurrent
        and words[start + at.TOKENS] + tokens <= tpm
        and words[start + at.DAY_TOKENS] + tokens <= tokens_day
        and words[start + at.MONTH_TOKENS] + tokens <= tokens_month
        and words[start + at.DAY_COST] + cost <= cost_day
        and words[start + at.MONTH_COST] + cost <= cost_month
    )


def what_is_full(words: memoryview, start: int, account: Account, ask: Ask, moment: Moment) -> Full | None:
    """The cap that is in a call's way for longest. A call that does not bound what it says needs room for its prompt
    and one token more; what it may say on top is reserved all the same, and keeps others out."""
    found: Full | None = None
    for limit, cap, used in zip(COUNTED, account.most, counted(words, start), strict=True):
        if cap == ENDLESS:
            continue
        needed, reserved = _needed(words, start, limit, ask, cap)
        if used + reserved + needed <= cap:
            continue
        wait = None if needed > cap else _wait(words, start, limit, used + needed - cap, moment)
        full = Full(account, limit, cap, wait, needed)  # type: ignore[arg-type]  # COUNTED are the limits' names
        if found is None or longer(full, found):
            found = full
    return found


def counted(words: memoryview, start: int) -> tuple[int, ...]:
    """In the order of COUNTED."""
    places = (at.REQUESTS, at.TOKENS, at.OPEN, at.DAY_TOKENS, at.MONTH_TOKENS, at.DAY_COST, at.MONTH_COST)
    return tuple(words[start + place] for place in places)


def _needed(words: memoryview, start: int, limit: str, ask: Ask, cap: int) -> tuple[int, int]:
    """What a call needs of a cap, and what calls under way have reserved of it."""
    if limit in ("rpm", "concurrent"):
        return 1, 0
    if limit.startswith("cost"):
        needed = ask.cost if ask.bounded else min(1, ask.cost)
        return needed, words[start + at.RESERVED_COST]
    # What is larger than the cap itself waits until nothing else is counted, and goes alone.
    return min(ask.tokens if ask.bounded else ask.prompt + 1, cap), words[start + at.RESERVED]


def _wait(words: memoryview, start: int, limit: str, excess: int, moment: Moment) -> float:
    """Seconds until so much of a cap is free, if nobody else comes; where that hangs on calls under way, SOON."""
    last = words[start + at.LAST]
    if limit == "concurrent" or excess <= 0:
        return SOON
    if limit.endswith("day"):
        return (words[start + at.DAY] + 1) * DAY_SECONDS - moment.wall
    if limit.endswith("month"):
        return first_day_of(words[start + at.MONTH] + 1) * DAY_SECONDS - moment.wall
    ring = at.REQUEST_RING if limit == "rpm" else at.TOKEN_RING
    free = window.until_less(words, start + ring, last, excess)
    return max(0.0, free - moment.seconds) if free is not None else SOON


def longer(one: Full, other: Full) -> bool:
    return other.wait is not None and (one.wait is None or one.wait > other.wait)


def begin(words: memoryview, start: int) -> None:
    """Counts a request."""
    words[start + at.REQUEST_RING + words[start + at.LAST] % window.BUCKETS] += 1
    words[start + at.REQUESTS] += 1


def take(words: memoryview, start: int, tokens: int, cost: int) -> None:
    """Counts a call that begins, and what it reserves."""
    begin(words, start)
    words[start + at.OPEN] += 1
    words[start + at.RESERVED] += tokens
    if cost:
        words[start + at.RESERVED_COST] += cost


def release(words: memoryview, start: int, tokens: int, cost: int) -> None:
    """Of a call that is over: its place, and what it had reserved."""
    words[start + at.OPEN] -= 1
    words[start + at.RESERVED] -= tokens
    if cost:
        words[start + at.RESERVED_COST] -= cost


def charge(words: memoryview, start: int, tokens: int, cost: int, bucket: int, day: int) -> None:
    """Counts what was used up at a moment."""
    bring(words, start, bucket, day)
    if tokens:
        words[start + at.TOKEN_RING + words[start + at.LAST] % window.BUCKETS] += tokens
        words[start + at.TOKENS] += tokens
        words[start + at.DAY_TOKENS] += tokens
        words[start + at.MONTH_TOKENS] += tokens
    if cost:
        words[start + at.DAY_COST] += cost
        words[start + at.MONTH_COST] += cost


def end_calls(words: memoryview, page: int, moment: Moment) -> int:
    """Of a worker that is dead: what they had reserved counts as used, for nobody knows better."""
    ended = 0
    bucket, day = bucket_at(moment.seconds), moment.day
    for record in range(page * PAGE + at.RECORD, (page + 1) * PAGE, at.RECORD):
        if words[record]:
            tokens, cost = words[record] - 1, words[record + 1]
            for of in words[record + 2 : record + at.RECORD]:
                if of:
                    charge(words, of * PAGE, tokens, cost, bucket, day)
                    release(words, of * PAGE, tokens, cost)
            words[record] = 0
            ended += 1
    return ended


def rooms(
    words: memoryview, accounts: Iterable[Account], pages: Iterable[int], moment: Moment
) -> tuple[Room | None, Room | None]:
    """What is left of the tightest cap on requests, and of that on tokens."""
    requests = tokens = ENDLESS
    requests_cap = tokens_cap = requests_of = tokens_of = 0
    for account, page in zip(accounts, pages, strict=True):
        start = page * PAGE
        rpm, tpm = account.most[0], account.most[1]
        if rpm != ENDLESS and (left := rpm - words[start + at.REQUESTS]) < requests:
            requests, requests_cap, requests_of = left, rpm, start
        if tpm != ENDLESS and (left := tpm - words[start + at.TOKENS] - words[start + at.RESERVED]) < tokens:
            tokens, tokens_cap, tokens_of = left, tpm, start
    return (
        Room(requests_cap, max(0, requests), _reset(words, requests_of, moment)) if requests_cap else None,
        Room(tokens_cap, max(0, tokens), float(WINDOW_SECONDS) if tokens_of else 0.0) if tokens_cap else None,
    )


def _reset(words: memoryview, start: int, moment: Moment) -> float:
    """Seconds until the oldest call leaves the window."""
    last = words[start + at.LAST]
    first = words[start + at.OLDEST]
    if not last - window.BUCKETS < first <= last or not words[start + at.REQUEST_RING + first % window.BUCKETS]:
        # What was the oldest has left. (Nothing comes in before it, so while it is there it stays the oldest.)
        first = words[start + at.OLDEST] = window.oldest(words, start + at.REQUEST_RING, last)
    return max(0.0, window.leaves_at(first) - moment.seconds)
