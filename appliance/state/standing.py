"""Judging this site: reads the facts, lets `licensing.standing.judge` decide."""

from __future__ import annotations

from datetime import datetime

from appliance.state.site import Site
from licensing.document import parse_time
from licensing.standing import Standing, judge
from licensing.trust import Trust


def judge_site(site: Site, trust: Trust, now: datetime) -> Standing:
    """The rung that this site is on at `now`."""
    return judge(
        licence=site.licence(trust),
        trust=trust,
        now=now,
        floor=site.time_floor(),
        site=site.facts,
        reported_until=reported_until(site),
    )


def reported_until(site: Site) -> datetime:
    """The end of the last period that the vendor has acknowledged; at first, when this epoch began."""
    row = site.database.execute("SELECT accepted_until FROM receipts ORDER BY seq DESC LIMIT 1").fetchone()
    return parse_time(row["accepted_until"]) if row else site.created_at
