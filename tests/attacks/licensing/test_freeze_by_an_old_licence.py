"""Tries: keeping a site on an old licence without end: nothing newer is ever carried in, and the clock is stopped or
turned back to days on which it was valid.

Meets: the ladder: `licence_expired`, `clock_untrusted`, `usage_overdue`, `licence_revoked`. A licence ends by its own
dates, a clock below what was seen serves nothing, and usage that goes unreported blocks where the licence says so.
"""

from __future__ import annotations

from typing import Any

from licensing.binding import SiteFacts
from licensing.clock import TimeFloor, witness
from licensing.licence import open_licence
from licensing.standing import judge
from tests.attacks.licensing.hostile import TRUST, licence_file
from tests.licensing.documents import SITE, at, key, trust


def rung(now: str, floor: str = "2026-03-01", *, reported: str | None = None, **changes: Any) -> tuple[str, bool]:
    standing = judge(
        licence=open_licence(licence_file(**changes), TRUST),
        trust=TRUST,
        now=at(now),
        floor=witness(TimeFloor(at("2026-01-01"), "this release"), at(floor), "a receipt"),
        site=SiteFacts(SITE, key("site").keyid, 1),
        reported_until=at(reported or now),
    )
    return standing.code, standing.terms.serves


def test_it_ends_by_its_own_dates() -> None:
    assert rung("2027-02-28") == ("licence_expiring", True)
    assert rung("2027-03-10") == ("licence_grace", True)
    assert rung("2027-03-16") == ("licence_expired", False)


def test_a_clock_turned_back_to_a_day_of_its_own_serves_nothing() -> None:
    assert rung("2026-06-01", floor="2027-06-01") == ("clock_untrusted", False)


def test_a_clock_that_stands_still_does_not_outlive_the_days_that_were_seen() -> None:
    """The later of clock and floor is judged, so a clock within the tolerance wins no more than the tolerance."""
    assert rung("2027-03-15 00:01:00", floor="2027-03-15 00:05:00") == ("licence_expired", False)


def test_unreported_usage_ends_it_sooner_where_the_licence_says_so() -> None:
    duty = {"report_every_days": 31, "when_overdue": "block"}
    assert rung("2026-05-01", reported="2026-04-15", usage=duty) == ("licence_valid", True)
    assert rung("2026-05-01", reported="2026-03-15", usage=duty) == ("usage_overdue", False)


def test_a_revoked_licence_with_a_genuine_signature_is_over_at_once() -> None:
    """Replaying the licence file after its id was withdrawn, on a site whose trust says so."""
    standing = judge(
        licence=open_licence(licence_file(), TRUST),
        trust=trust(serial=2, revoked_licences=["L-2026-0007"]),
        now=at("2026-05-01"),
        floor=TimeFloor(at("2026-05-01"), "a receipt"),
        site=SiteFacts(SITE, key("site").keyid, 1),
        reported_until=at("2026-05-01"),
    )
    assert (standing.code, standing.terms.serves) == ("licence_revoked", False)
