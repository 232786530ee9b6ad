"""Judging this site: reads the facts, lets `licensing.standing.judge` decide."""

from __future__ import annotations

from datetime import datetime

from appliance.state.hardware import hardware_digests, read_hardware
from appliance.state.site import Site
from licensing.binding import SiteFacts
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
        site=facts_here(site),
        reported_until=reported_until(site),
    )


def facts_here(site: Site) -> SiteFacts:
    """Who this site is, and what it runs on at this moment."""
    return SiteFacts(site.id, site.key.public_key.keyid, site.epoch, hardware_digests(site.id, read_hardware()))


def reported_until(site: Site) -> datetime:
    """The end of the last period that the vendor has acknowledged; at first, when this epoch began."""
    row = site.database.execute("SELECT accepted_until FROM receipts ORDER BY seq DESC LIMIT 1").fetchone()
    if row is None:  # restoring a backup gives no time that was not there before
        row = site.database.execute("SELECT reported_until AS accepted_until FROM predecessor").fetchone()
    return parse_time(row["accepted_until"]) if row else site.created_at
