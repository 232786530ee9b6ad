"""The host's clock against when this release was made, and the hardware's against the host's (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from installer.preflight.facts import Clock
from installer.preflight.findings import Finding, failed, passed, warned

LIFETIME: Final = timedelta(days=3 * 365)
"""A release that is older than this is not installed any more; the clock is likelier wrong."""
APART: Final = timedelta(minutes=2)


def judge(clock: Clock, built: datetime) -> Iterator[Finding]:
    now = f"{clock.now:%Y-%m-%d %H:%M} UTC"
    if clock.now < built:
        yield failed(
            "clock",
            f"The clock says {now}; this release was made on {built:%Y-%m-%d}.",
            "Set it to the true time: date -u -s 'YYYY-MM-DD HH:MM:SS', then hwclock --systohc.",
        )
    elif clock.now > built + LIFETIME:
        yield warned(
            "clock",
            f"The clock says {now}, more than three years after this release was made.",
            "If that is not the true time, set it before anything is imported. If it is, ask for a newer release.",
        )
    else:
        yield passed("clock", f"{now}.")
    yield _rtc(clock)


def _rtc(clock: Clock) -> Finding:
    if clock.rtc is None:
        return warned(
            "rtc",
            "No hardware clock can be read: after a power cut this host does not know the time.",
            "Give the virtual machine one, or let somebody set the clock after each power cut before calls are made.",
        )
    apart = clock.rtc - clock.now
    told = f"{abs(apart).total_seconds():.0f} s {'ahead' if apart > timedelta() else 'behind'}"
    if clock.rtc_local:
        return warned(
            "rtc",
            "The hardware's clock is kept in local time, which jumps twice a year.",
            "Keep it in UTC: timedatectl set-local-rtc 0.",
        )
    if abs(apart) > APART:
        return warned(
            "rtc",
            f"The hardware's clock is {told} of the host's: after a power cut that will be the time.",
            "When the host's clock is right, write it there: hwclock --systohc --utc. If it runs away again, change "
            "its battery.",
        )
    return passed("rtc", "The hardware's clock agrees.")
