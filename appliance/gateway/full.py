"""What an app is told of caps: of one that is in its way, whose it is and when it frees up; and what is left."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from appliance.access.account import Full, Limit, Moment
from appliance.access.caps import amount
from appliance.access.quota import Taken
from appliance.gateway.errors import BudgetTooSmall, QuotaExhausted, RateLimited, TooManyAtOnce
from licensing.document import format_time

Headers = tuple[tuple[bytes, bytes], ...]

_BUDGETS: dict[Limit, str] = {
    "tokens_day": "{} tokens a day",
    "tokens_month": "{} tokens a month",
    "cost_day": "calls for {} a day",
    "cost_month": "calls for {} a month",
}


def refusal_of(full: Full, moment: Moment) -> RateLimited:
    """In words, and as headers: `retry-after` in seconds, `x-ratelimit-*` where the cap is one of a minute."""
    refusal = _worded(full, moment)
    refusal.cap = (full.account.tier, full.limit)
    return refusal


def _worded(full: Full, moment: Moment) -> RateLimited:
    whose = f"{full.account.name} allows"
    if full.wait is None:
        allowed = _BUDGETS[full.limit].format(_told(full.limit, full.cap))
        return BudgetTooSmall(f"{whose} {allowed}, and this call alone may cost {amount(full.needed)}.")
    seconds = max(1, math.ceil(full.wait))
    after = (b"retry-after", b"%d" % seconds)
    if full.limit == "concurrent":
        message = f"{whose} {full.cap} calls at once, and as many are under way; try again in {seconds} s."
        return TooManyAtOnce(message, headers=(after,))
    if full.limit in ("rpm", "tpm"):
        kind = "requests" if full.limit == "rpm" else "tokens"
        message = f"{whose} {full.cap} {kind} a minute, and they are used up; try again in {seconds} s."
        return RateLimited(message, headers=(after, *_room(kind, full.cap, 0, seconds)))
    until = format_time(datetime.fromtimestamp(math.ceil(moment.wall + full.wait), UTC))
    allowed = _BUDGETS[full.limit].format(_told(full.limit, full.cap))
    return QuotaExhausted(f"{whose} {allowed}, and they are used up until {until}.", headers=(after,))


def rate_headers(taken: Taken | None) -> Headers:
    """`x-ratelimit-*`: of every cap on requests, and on tokens, the one with the least left."""
    if taken is None:
        return ()
    headers: Headers = ()
    for kind, room in (("requests", taken.requests_room), ("tokens", taken.tokens_room)):
        if room is not None:
            headers += _room(kind, room.cap, room.left, math.ceil(room.reset_after))
    return headers


def _room(kind: str, cap: int, left: int, reset: int) -> Headers:
    named = kind.encode()
    return (
        (b"x-ratelimit-limit-" + named, b"%d" % cap),
        (b"x-ratelimit-remaining-" + named, b"%d" % left),
        (b"x-ratelimit-reset-" + named, b"%ds" % reset),
    )


def _told(limit: Limit, cap: int) -> str:
    return amount(cap) if limit.startswith("cost") else str(cap)
