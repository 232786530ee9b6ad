"""Refused sign-ins in the audit trail: told one by one at first, then only counted, so that nobody fills the disk.

At most AN_HOUR entries stand there for an hour. What comes beyond them is counted in one row, and told as a sum with
the first sign-in of a later hour, whether that is let in or not.
A name that nobody has is not written down: people type their password there.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from appliance.state.database import transaction
from appliance.state.site import Site
from licensing.document import format_time

AN_HOUR: Final = 30


def note_refused(site: Site, name: str | None, now: datetime, *, held: bool, looked_at: bool = True) -> None:
    """`name` is None for nobody's; `held`: the next attempt will be held back, or this one was (not `looked_at`)."""
    tell_uncounted(site, now)
    with transaction(site.database) as db:
        row = db.execute("SELECT * FROM refused_sign_ins").fetchone()
        written, unwritten = (row["written"], row["unwritten"]) if row else (0, 0)
        first = row["first_at"] if row else None
        if written < AN_HOUR:
            detail = {"the_next": "held back"} if held and looked_at else {}
            site.record("login.refused" if looked_at else "login.held", name or "an unknown name", now, detail=detail)
            written += 1
        else:
            unwritten, first = unwritten + 1, first or format_time(now)
        _put(site, _hour(now), written, unwritten, first)


def tell_uncounted(site: Site, now: datetime) -> None:
    """What was only counted in an hour that is over."""
    with transaction(site.database) as db:
        row = db.execute("SELECT * FROM refused_sign_ins").fetchone()
        if row is None or row["hour"] == _hour(now):
            return
        if row["unwritten"]:
            detail = {"count": row["unwritten"], "since": row["first_at"]}
            site.record("login.refused", f"{row['unwritten']} more than are told one by one", now, detail=detail)
        _put(site, _hour(now), 0, 0, None)


def _put(site: Site, hour: str, written: int, unwritten: int, first: str | None) -> None:
    values = (hour, written, unwritten, first)
    site.database.execute("INSERT OR REPLACE INTO refused_sign_ins VALUES (1, ?, ?, ?, ?)", values)


def _hour(now: datetime) -> str:
    return f"{now:%Y-%m-%dT%H}"
