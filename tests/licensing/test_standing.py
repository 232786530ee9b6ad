"""The ladder: one rung for any facts, to the second, and nothing served on a rung that does not serve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licensing.binding import SiteFacts
from licensing.clock import TimeFloor
from licensing.document import Verified, format_time
from licensing.errors import Malformed, Refusal, SignatureRefused
from licensing.licence import Licence, open_licence
from licensing.standing import EXPIRING_DAYS, TERMS, Rung, Standing, judge
from tests.licensing.documents import SITE, at, key, licence_members, signed, trust

HERE = SiteFacts(SITE, key("site").keyid, 1)
EARLY = TimeFloor(at("2025-12-01"), "this release")
BEGINS, EXPIRES, GRACE_ENDS = at("2026-03-01"), at("2027-03-01"), at("2027-03-15")
JUNE, END_OF_MAY = at("2026-06-01"), at("2026-05-31")
TOLERANCE = timedelta(seconds=300)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
TRUST = trust()
SERVING = {Rung.VALID, Rung.EXPIRING, Rung.GRACE}


def licence(**changes: Any) -> Verified[Licence]:
    return open_licence(signed("licence", licence_members(**changes), key("licence-1")), TRUST)


LICENCE = licence()
MONTHLY_WARN = licence(usage={"report_every_days": 31})
MONTHLY_BLOCK = licence(usage={"report_every_days": 31, "when_overdue": "block"})


def stand(
    now: datetime = JUNE,
    held: Verified[Licence] | Refusal | None = LICENCE,
    *,
    floor: TimeFloor = EARLY,
    site: SiteFacts = HERE,
    reported_until: datetime = END_OF_MAY,
    revoked: tuple[str, ...] = (),
) -> Standing:
    return judge(
        licence=held,
        trust=trust(revoked_licences=revoked) if revoked else TRUST,
        now=now,
        floor=floor,
        site=site,
        reported_until=reported_until,
    )


# --- every rung, and what it means

REACHED: Mapping[Rung, Standing] = {
    Rung.VALID: stand(),
    Rung.EXPIRING: stand(EXPIRES - 5 * DAY),
    Rung.GRACE: stand(EXPIRES + 5 * DAY),
    Rung.EXPIRED: stand(GRACE_ENDS + 5 * DAY),
    Rung.NOT_YET_VALID: stand(BEGINS - 5 * DAY),
    Rung.REVOKED: stand(revoked=("L-2026-0007",)),
    Rung.WRONG_SITE: stand(site=replace(HERE, site="site-0002")),
    Rung.WRONG_EPOCH: stand(site=replace(HERE, epoch=2)),
    Rung.CLOCK_UNTRUSTED: stand(at("2026-06-01"), floor=TimeFloor(at("2026-07-01"), "a receipt")),
    Rung.USAGE_OVERDUE: stand(held=MONTHLY_BLOCK, reported_until=at("2026-04-01")),
    Rung.MISSING: stand(held=None),
    Rung.UNREADABLE: stand(held=Malformed("It is broken.")),
}


@pytest.mark.parametrize("rung", Rung)
def test_every_rung_is_reached_and_has_its_terms(rung: Rung) -> None:
    assert REACHED[rung].rung is rung
    assert REACHED[rung].terms is TERMS[rung]
    assert REACHED[rung].sentence.endswith(".")


def test_the_table_covers_every_rung_and_no_other() -> None:
    assert set(TERMS) == set(Rung) == set(REACHED)


@pytest.mark.parametrize(
    ("rung", "serves", "config_import", "http_status", "exit_code", "code"),
    [
        (Rung.VALID, True, True, 200, 0, "licence_valid"),
        (Rung.EXPIRING, True, True, 200, 0, "licence_expiring"),
        (Rung.GRACE, True, False, 200, 0, "licence_grace"),
        (Rung.MISSING, False, False, 503, 20, "licence_missing"),
        (Rung.UNREADABLE, False, False, 503, 21, "licence_unreadable"),
        (Rung.NOT_YET_VALID, False, True, 403, 22, "licence_not_yet_valid"),
        (Rung.EXPIRED, False, False, 403, 23, "licence_expired"),
        (Rung.REVOKED, False, False, 403, 24, "licence_revoked"),
        (Rung.WRONG_SITE, False, False, 403, 25, "licence_wrong_site"),
        (Rung.WRONG_EPOCH, False, False, 403, 26, "licence_wrong_epoch"),
        (Rung.CLOCK_UNTRUSTED, False, False, 503, 27, "clock_untrusted"),
        (Rung.USAGE_OVERDUE, False, False, 403, 28, "usage_overdue"),
    ],
)
def test_the_terms_of_each_rung(
    rung: Rung, serves: bool, config_import: bool, http_status: int, exit_code: int, code: str
) -> None:
    terms = TERMS[rung]
    assert (terms.serves, terms.config_import, terms.http_status, terms.exit_code, REACHED[rung].code) == (
        serves,
        config_import,
        http_status,
        exit_code,
        code,
    )


def test_what_does_not_serve_says_so_in_its_own_way() -> None:
    refusing = {rung: terms for rung, terms in TERMS.items() if not terms.serves}
    assert set(refusing) == set(Rung) - SERVING
    assert len({terms.exit_code for terms in refusing.values()}) == len(refusing)
    assert all(terms.http_status >= 400 and terms.exit_code for terms in refusing.values())
    assert all(terms.http_status == 200 for rung, terms in TERMS.items() if rung in SERVING)
    assert all(terms.remedy.endswith(".") for terms in TERMS.values())


# --- exact seconds


@pytest.mark.parametrize(
    ("now", "rung"),
    [
        (BEGINS - TOLERANCE - SECOND, Rung.NOT_YET_VALID),
        (BEGINS - TOLERANCE, Rung.VALID),
        (BEGINS, Rung.VALID),
        (EXPIRES - EXPIRING_DAYS * DAY - SECOND, Rung.VALID),
        (EXPIRES - EXPIRING_DAYS * DAY, Rung.EXPIRING),
        (EXPIRES, Rung.EXPIRING),
        (EXPIRES + TOLERANCE - SECOND, Rung.EXPIRING),
        (EXPIRES + TOLERANCE, Rung.GRACE),
        (GRACE_ENDS, Rung.GRACE),
        (GRACE_ENDS + TOLERANCE - SECOND, Rung.GRACE),
        (GRACE_ENDS + TOLERANCE, Rung.EXPIRED),
        (EARLY.at - TOLERANCE, Rung.NOT_YET_VALID),
        (EARLY.at - TOLERANCE - SECOND, Rung.CLOCK_UNTRUSTED),
    ],
)
def test_a_rung_begins_at_its_very_second(now: datetime, rung: Rung) -> None:
    assert stand(now).rung is rung


@pytest.mark.parametrize(
    ("now", "rung"),
    [
        (BEGINS - SECOND, Rung.NOT_YET_VALID),
        (BEGINS, Rung.EXPIRING),
        (at("2026-03-02") - SECOND, Rung.EXPIRING),
        (at("2026-03-02"), Rung.EXPIRED),
    ],
)
def test_without_grace_or_tolerance_a_day_is_a_day(now: datetime, rung: Rung) -> None:
    one_day = licence(expires_at="2026-03-02T00:00:00Z", grace_days=0, clock_tolerance_seconds=0)
    assert stand(now, one_day).rung is rung


@pytest.mark.parametrize(
    ("since", "rung", "warned"),
    [
        (31 * DAY + TOLERANCE, Rung.VALID, False),
        (31 * DAY + TOLERANCE + SECOND, Rung.USAGE_OVERDUE, True),
    ],
)
def test_usage_is_overdue_at_its_very_second(since: timedelta, rung: Rung, warned: bool) -> None:
    now = at("2026-06-01")
    assert stand(now, MONTHLY_BLOCK, reported_until=now - since).rung is rung
    lenient = stand(now, MONTHLY_WARN, reported_until=now - since)
    assert (lenient.rung, "late after that" in lenient.warnings[0]) == (Rung.VALID, not warned)


@pytest.mark.parametrize(
    ("every", "lead"),
    [(30, timedelta(days=7)), (31, timedelta(days=7)), (4, timedelta(days=1)), (1, timedelta(hours=6))],
)
def test_a_report_is_asked_for_before_it_is_late(every: int, lead: timedelta) -> None:
    now = at("2026-06-01")
    for duty, then in (("block", "no model call"), ("warn", "late after that")):
        owing = licence(usage={"report_every_days": every, "when_overdue": duty})
        due = now + lead
        early = stand(now - SECOND, owing, reported_until=due - every * DAY)
        assert (early.warnings, early.report_due) == ((), None)
        told = stand(now, owing, reported_until=due - every * DAY)
        assert (told.rung, told.report_due) == (Rung.VALID, due)
        assert then in told.warnings[0]


@pytest.mark.parametrize(("now", "days"), [(EXPIRES - 5 * DAY, 5), (EXPIRES, 0), (EXPIRES + 5 * DAY, -5)])
def test_days_left_count_down_through_the_expiry(now: datetime, days: int) -> None:
    assert stand(now).days_left == days


# --- clocks that are wrong


@pytest.mark.parametrize("back", [timedelta(days=365), timedelta(days=1), timedelta(hours=1)])
def test_a_clock_set_back_stops_serving(back: timedelta) -> None:
    now = at("2026-09-01")
    standing = stand(now - back, floor=TimeFloor(now, "this host's clock"))
    assert (standing.rung, standing.terms.serves) == (Rung.CLOCK_UNTRUSTED, False)
    assert "this host's clock" in standing.sentence


def test_a_clock_a_year_ahead_only_costs_the_site_its_own_licence() -> None:
    assert stand(at("2026-09-01") + timedelta(days=365)).rung is Rung.EXPIRED
    assert stand(at("2026-09-01")).rung is Rung.VALID


@given(st.integers(0, 300))
@settings(deadline=None)
def test_a_clock_set_back_within_the_tolerance_gains_no_second(back: int) -> None:
    """The licence is judged at the floor, so that living below it does not make a licence last longer."""
    floor = TimeFloor(GRACE_ENDS + TOLERANCE, "this host's clock")
    assert stand(floor.at - timedelta(seconds=back), floor=floor).rung is Rung.EXPIRED


@pytest.mark.parametrize("ends", ["8999-12-31T23:59:59Z", "8999-12-20T00:00:00Z"])
@pytest.mark.parametrize("grace_days", [0, 14])
def test_a_licence_without_a_foreseeable_end_is_judged_like_any_other(ends: str, grace_days: int) -> None:
    assert stand(held=licence(expires_at=ends, grace_days=grace_days)).rung is Rung.VALID


def test_a_licence_from_the_first_year_that_documents_know_is_judged_like_any_other() -> None:
    assert stand(held=licence(not_before="2000-01-01T00:00:00Z")).rung is Rung.VALID


@pytest.mark.parametrize("until", [at("2000-01-01"), at("8999-12-31 23:59:59")])
def test_any_date_of_acknowledgement_is_judged(until: datetime) -> None:
    assert stand(held=MONTHLY_BLOCK, reported_until=until).rung in {Rung.VALID, Rung.USAGE_OVERDUE}


# --- who is asking


@pytest.mark.parametrize(
    ("site", "rung"),
    [
        (replace(HERE, site="site-0002"), Rung.WRONG_SITE),
        (replace(HERE, key=key("other").keyid), Rung.WRONG_SITE),
        (replace(HERE, key=""), Rung.WRONG_SITE),
        (replace(HERE, epoch=2), Rung.WRONG_EPOCH),
        (replace(HERE, epoch=0), Rung.WRONG_EPOCH),
    ],
)
def test_a_licence_serves_the_one_site_it_names(site: SiteFacts, rung: Rung) -> None:
    assert stand(site=site).rung is rung


def test_another_revoked_licence_is_no_concern_of_this_one() -> None:
    assert stand(revoked=("L-2026-0008", "L-2026-000", "l-2026-0007")).rung is Rung.VALID


@pytest.mark.parametrize("refusal", [Malformed("x"), SignatureRefused("x"), Refusal("x")])
def test_whatever_was_refused_when_it_was_opened_is_unreadable(refusal: Refusal) -> None:
    assert stand(held=refusal).rung is Rung.UNREADABLE


def test_what_is_worse_is_said_first() -> None:
    wrong = replace(HERE, site="site-0002")
    late = TimeFloor(at("2030-01-01"), "a receipt")
    assert stand(revoked=("L-2026-0007",), site=wrong, floor=late).rung is Rung.REVOKED
    assert stand(site=wrong, floor=late).rung is Rung.WRONG_SITE
    assert stand(floor=late).rung is Rung.CLOCK_UNTRUSTED
    assert stand(GRACE_ENDS + DAY, MONTHLY_BLOCK).rung is Rung.EXPIRED


# --- properties

MOMENTS = st.integers(0, 3 * 365 * 86_400).map(lambda seconds: at("2025-12-01") + timedelta(seconds=seconds))
LICENCES = st.builds(
    lambda begins, days, grace, tolerance, duty: Verified(
        Licence.from_mapping(
            licence_members(
                not_before=format_time(begins),
                expires_at=format_time(begins + timedelta(days=days)),
                grace_days=grace,
                clock_tolerance_seconds=tolerance,
                usage=duty,
            )
        ),
        "sha256:" + "ab" * 32,
        (key("licence-1").keyid,),
        "licence",
        1,
    ),
    MOMENTS,
    st.integers(1, 800),
    st.integers(0, 366),
    st.integers(0, 7 * 86_400),
    st.sampled_from([None, {"report_every_days": 31}, {"report_every_days": 31, "when_overdue": "block"}]),
)
BY_DATE = [Rung.NOT_YET_VALID, Rung.VALID, Rung.EXPIRING, Rung.GRACE, Rung.EXPIRED]
ANY = st.tuples(LICENCES, MOMENTS, MOMENTS, MOMENTS)


@given(LICENCES, st.lists(MOMENTS, min_size=2, max_size=8).map(sorted), MOMENTS)
@settings(deadline=None)
def test_as_time_goes_by_a_site_only_goes_down_the_ladder(
    held: Verified[Licence], moments: list[datetime], reported_until: datetime
) -> None:
    rungs = [stand(now, held, reported_until=reported_until).rung for now in moments]
    steps = [BY_DATE.index(rung) for rung in rungs if rung is not Rung.USAGE_OVERDUE]
    assert steps == sorted(steps)
    late = [rung for rung in rungs if rung in {Rung.USAGE_OVERDUE, Rung.EXPIRED}]
    assert rungs[len(rungs) - len(late) :] == late


@given(ANY)
@settings(deadline=None)
def test_a_licence_serves_only_between_its_dates_and_at_its_own_site(
    facts: tuple[Verified[Licence], datetime, datetime, datetime],
) -> None:
    held, now, seen, reported_until = facts
    claims = held.claims
    standing = stand(now, held, floor=TimeFloor(seen, "a receipt"), reported_until=reported_until)
    tolerance = timedelta(seconds=claims.clock_tolerance_seconds)
    judged_at = max(now, seen)
    within = (
        claims.not_before - tolerance <= judged_at < claims.expires_at + timedelta(days=claims.grace_days) + tolerance
    )
    assert standing.terms.serves is (standing.rung in SERVING)
    assert not standing.terms.serves or (within and seen - now <= tolerance)
    assert stand(now, held, site=replace(HERE, epoch=9)).terms.serves is False


@given(ANY)
@settings(deadline=None)
def test_a_debt_never_allows_more(facts: tuple[Verified[Licence], datetime, datetime, datetime]) -> None:
    """Usage that is not reported may cost a site something; it must not unfreeze what grace has frozen."""
    held, now, _, reported_until = facts
    owing = stand(now, held, reported_until=reported_until).terms
    settled = stand(now, held, reported_until=max(now, reported_until)).terms
    assert owing.serves <= settled.serves
    assert owing.config_import <= settled.config_import


def test_in_grace_the_config_stays_frozen_when_usage_is_overdue() -> None:
    standing = stand(EXPIRES + 5 * DAY, MONTHLY_BLOCK, reported_until=at("2026-04-01"))
    assert (standing.terms.serves, standing.terms.config_import) == (False, False)


@given(ANY)
@settings(deadline=None)
def test_a_higher_floor_never_allows_more(facts: tuple[Verified[Licence], datetime, datetime, datetime]) -> None:
    held, now, seen, reported_until = facts
    if now >= held.claims.not_before:
        low = stand(now, held, floor=EARLY, reported_until=reported_until).terms
        high = stand(now, held, floor=TimeFloor(max(seen, now), "a receipt"), reported_until=reported_until).terms
        assert high.serves <= low.serves
