"""Tries: setting the clock decades ahead for an hour, to spoil the floor so that the site is locked for decades.

Meets: `licence_expired` while it lasts; the floor rises by about that hour, and nothing is poisoned.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from licensing.binding import SiteFacts
from licensing.clock import Look, TimeFloor, observe, observe_boot
from licensing.licence import open_licence
from licensing.standing import judge
from tests.appliance.papers import NOW
from tests.attacks.licensing.clocks import DECADES, FLOOR, HONEST, looks, needs_faketime, run, status_at
from tests.attacks.licensing.hostile import TRUST, licence_file
from tests.licensing.documents import SITE, at, key


@needs_faketime
def test_the_hosts_status_says_so(tmp_path: Path) -> None:
    code, said = status_at("2099-01-01 12:00:00", tmp_path)
    assert (code, "licence   expired:" in said) == (23, True)


def test_after_an_hour_at_2099_the_site_serves_as_before() -> None:
    floor = observe_boot(TimeFloor(at("2026-05-01"), "a receipt"), at("2099-01-01"))
    hour = Look(at("2099-01-01") + timedelta(hours=1), 3600.0)
    floor = observe(floor, Look(at("2099-01-01"), 0.0), hour)
    standing = judge(
        licence=open_licence(licence_file(), TRUST),
        trust=TRUST,
        now=at("2026-05-04"),
        floor=floor,
        site=SiteFacts(SITE, key("site").keyid, 1),
        reported_until=at("2026-05-04"),
    )
    assert (standing.code, standing.terms.serves) == ("licence_valid", True)


def test_a_clock_far_ahead_for_an_hour_poisons_nothing() -> None:
    floor, steps = run(FLOOR, looks(HONEST, *[DECADES] * 60, HONEST))
    assert floor.at <= NOW + timedelta(minutes=61)
    assert [step.seconds for step in steps] == [DECADES.total_seconds(), -DECADES.total_seconds()]
