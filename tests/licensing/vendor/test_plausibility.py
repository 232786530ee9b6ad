"""A file that adds up can still be odd; each oddity is told with its numbers, and none of them refuses."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from licensing.binding import Binding
from licensing.licence import Caps, Licence, UsageDuty
from licensing.usage import Admission, Anomaly, ClockFacts, ClockStep, Counts, Usage
from licensing.vendor.plausibility import Doubt, doubts_about, minutes_touched, overdue
from tests.licensing.vendor.simulated_site import DAY, FIRST_DAY, Change, SimulatedSite, SiteKey, changing, row
from tests.licensing.vendor.vendors_desk import NOW, TERMS, VendorsDesk


def licence(**changes: Any) -> Licence:
    given: dict[str, Any] = {
        "schema_version": 1, "serial": 1, "issued_at": FIRST_DAY, "licence": "lic-0001", "customer": "Works",
        "binding": Binding(site="plant-7", key="ab" * 32, epoch=1), "edition": "team", "models": ("small", "large"),
        "not_before": FIRST_DAY, "expires_at": FIRST_DAY + 30 * DAY, "grace_days": 2,
    }  # fmt: skip
    return Licence(**(given | changes))


def file(*counts: int, tokens: int = 100, change: Change = lambda usage: usage) -> Usage:
    return change(SimulatedSite()._next(tuple(row(f"t{n}", "small", count, tokens) for n, count in enumerate(counts))))


def codes(usage: Usage, *licences: Licence) -> list[str]:
    return [doubt.code for doubt in doubts_about(usage, {each.serial: each for each in licences})]


def test_an_ordinary_file_is_not_odd() -> None:
    assert codes(file(3, 2), licence(caps=Caps(rpm=600, tpm=5_000_000))) == []


def test_a_day_has_its_minutes_and_one_begun_before() -> None:
    assert minutes_touched(file(1)) == 24 * 60 + 1


@pytest.mark.parametrize(("requests", "expected"), [(1441, []), (1442, ["over_rpm"])])
def test_more_requests_than_the_licence_lets_through(requests: int, expected: list[str]) -> None:
    assert codes(file(requests), licence(caps=Caps(rpm=1))) == expected


@pytest.mark.parametrize(("tokens", "expected"), [(100, []), (200, ["over_tpm"])])
def test_more_tokens_than_the_licence_lets_through(tokens: int, expected: list[str]) -> None:
    # 961 calls of 100 + 50 tokens are 144,150 in 1,441 minutes.
    assert codes(file(961, tokens=tokens), licence(caps=Caps(tpm=101))) == expected


def test_each_licence_answers_for_its_own_calls() -> None:
    both = changing(
        admissions=(
            Admission(licence_serial=1, config_serial=1, requests=1442),
            Admission(licence_serial=2, config_serial=1, requests=558),
        )
    )
    usage = file(2000, change=both)
    assert codes(usage, licence(caps=Caps(rpm=1)), licence(serial=2)) == ["over_rpm"]
    assert codes(usage, licence(caps=Caps(rpm=2)), licence(serial=2)) == []
    assert codes(usage, licence(caps=Caps(tpm=1)), licence(serial=2)) == [], "the second has no cap on tokens"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"not_before": FIRST_DAY + DAY}, []),
        ({"not_before": FIRST_DAY + 2 * DAY}, ["licence_out_of_date"]),
        ({"not_before": FIRST_DAY - 40 * DAY, "expires_at": FIRST_DAY - 3 * DAY}, []),
        ({"not_before": FIRST_DAY - 40 * DAY, "expires_at": FIRST_DAY - 4 * DAY}, ["licence_out_of_date"]),
    ],
)
def test_calls_outside_a_licences_dates_are_odd(changes: dict[str, Any], expected: list[str]) -> None:
    assert codes(file(1), licence(**changes)) == expected


def test_a_model_that_no_licence_names_is_odd() -> None:
    assert codes(file(1), licence(models=("large",))) == ["model_not_licensed"]
    assert codes(file(1), licence(models=("l*", "s*"))) == []


def test_what_the_clock_did_is_told() -> None:
    noon = FIRST_DAY + DAY / 2
    stepped = changing(clock=ClockFacts(floor=FIRST_DAY, steps=(ClockStep(at=noon, seconds=-3600),)))
    (doubt,) = doubts_about(file(1, change=stepped), {1: licence()})
    assert doubt.code == "clock_stepped"
    assert "-3600 seconds" in doubt.sentence
    assert codes(file(1, change=changing(issued_at=noon)), licence()) == ["sealed_early"]
    ahead = changing(clock=ClockFacts(floor=FIRST_DAY + 400 * DAY))
    assert codes(file(1, change=ahead), licence()) == ["clock_ahead"]


def test_what_the_site_says_itself_is_repeated_harmless() -> None:
    said = changing(anomalies=(Anomaly(code="journal_damaged", detail="2 lines\x1b[31m lost"),))
    (doubt,) = doubts_about(file(1, change=said), {1: licence()})
    assert (doubt.code, doubt.seq) == ("site_says", 1)
    assert doubt.sentence == "journal_damaged: 2 lines\\x1b[31m lost"


def test_a_model_with_nothing_counted_is_nothing() -> None:
    usage = file(1).model_copy(update={"deltas": {"huge": Counts()}})
    assert codes(usage, licence()) == []


# -- late reports ------------------------------------------------------------------------------------------------------


def late(until: datetime, now: datetime, duty: UsageDuty | None) -> Doubt | None:
    return overdue("plant-7", 1, until, licence(usage=duty), now)


def test_a_report_is_late_when_its_days_are_over() -> None:
    duty = UsageDuty(report_every_days=10)
    assert late(FIRST_DAY, FIRST_DAY + 10 * DAY, duty) is None
    found = late(FIRST_DAY, FIRST_DAY + 13 * DAY, duty)
    assert found is not None
    assert (found.code, found.seq) == ("overdue", None)
    assert "3 days late" in found.sentence
    assert late(FIRST_DAY, FIRST_DAY + 999 * DAY, None) is None
    assert overdue("plant-7", 1, FIRST_DAY, None, FIRST_DAY + 999 * DAY) is None


def test_a_site_that_sends_nothing_is_told_as_well(desk: VendorsDesk, site: SimulatedSite) -> None:

    silent = SimulatedSite(site="plant-8", key=SiteKey("plant-8"))
    terms = replace(TERMS, report_every_days=31)
    desk.issue(site, terms=terms)
    desk.issue(silent, "second", terms=replace(terms, licence="lic-0002"))
    files = site.days(31)
    assert [doubt.code for doubt in desk.take(*files).doubts if doubt.seq is None] == []
    desk.now = NOW + timedelta(days=40)
    told = [doubt for doubt in desk.take(*files).doubts if doubt.seq is None]
    assert [(doubt.site, doubt.code) for doubt in told] == [("plant-7", "overdue"), ("plant-8", "overdue")]
