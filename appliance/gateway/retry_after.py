"""What an upstream asks for by `retry-after`: seconds, or a date (RFC 9110, 10.2.3)."""

from __future__ import annotations

import math
from datetime import UTC
from email.utils import parsedate_to_datetime

LONGEST_SECONDS = 86_400 * 366


def seconds_of(written: str | None, date: str | None, now: float) -> int | None:
    """The seconds to wait, or None where nothing sensible was said.

    A date counts from the answer's own `date`, since two hosts' clocks may differ; `now` (since 1970) is for an answer
    that has none.
    """
    if written is None:
        return None
    if written.isascii() and written.isdigit():
        return min(int(written[:9]), LONGEST_SECONDS)
    until = _timestamp(written)
    if until is None:
        return None
    since = _timestamp(date) if date is not None else None
    return min(max(0, math.ceil(until - (now if since is None else since))), LONGEST_SECONDS)


def _timestamp(written: str) -> float | None:
    try:
        moment = parsedate_to_datetime(written)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
