"""How long sign-ins are held back after refused ones (pure).

The first refusals cost nothing, since people mistype; then each doubles the wait, up to a quarter of an hour. It never
becomes a lock for good, whoever tries: after LONGEST, one attempt is looked at again.

A clock that was put back must not hold anybody for long: what lies further ahead than the longest wait holds nobody.
"""

from __future__ import annotations

from datetime import datetime, timedelta

FREE = 3
FIRST = timedelta(seconds=2)
LONGEST = timedelta(minutes=15)
FORGOTTEN_AFTER = timedelta(hours=24)
"""After so long without another refusal they count no more."""


def wait_after(failures: int) -> timedelta:
    """How long after so many refusals in a row nothing is looked at."""
    if failures < FREE:
        return timedelta(0)
    doublings: int = min(failures - FREE, 20)
    return min(LONGEST, FIRST * (1 << doublings))


def held_until(failures: int, last_at: datetime, now: datetime) -> datetime:
    """Until when; `now` or earlier: not held."""
    return now if last_at > now + LONGEST else last_at + wait_after(failures)


def still_counted(failures: int, last_at: datetime, now: datetime) -> int:
    return 0 if now - last_at >= FORGOTTEN_AFTER else failures
