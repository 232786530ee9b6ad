"""A licence says what was agreed, for the site that asked, and a site that changed is not taken for the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from licensing.document import Verified
from licensing.edition import EDITIONS, EditionName
from licensing.errors import Malformed, SignatureRefused, WrongKind
from licensing.licence import Licence, open_licence
from licensing.site_request import SiteRequest, open_site_request
from licensing.trust import KeyRecord
from licensing.vendor.errors import EnrolmentRefused, SiteChanged, TermsRefused
from licensing.vendor.issue import LAST_EXPIRY, Terms, build, require_enrollable
from media.errors import AlreadyThere, NotFound
from tests.licensing.vendor.simulated_site import SimulatedSite, SiteKey
from tests.licensing.vendor.vendors_desk import NOW, TERMS, VendorsDesk, repeatable


def requested(site: SimulatedSite) -> Verified[SiteRequest]:
    return open_site_request(site.request())


def built(**terms: Any) -> Licence:
    request = requested(SimulatedSite()).claims
    return build(replace(TERMS, **terms), request, serial=1, now=NOW, random=repeatable("licence"))


def opened(desk: VendorsDesk, name: str = "licence.json") -> Licence:
    return open_licence((desk.folder / name).read_bytes(), desk.trust).claims


# -- terms -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edition", list(EDITIONS))
def test_caps_that_are_left_open_are_the_editions(edition: EditionName) -> None:
    caps = built(edition=edition).caps
    assert (caps.rpm, caps.tpm, caps.seats) == (EDITIONS[edition].rpm, EDITIONS[edition].tpm, None)


def test_the_tier_table_is_what_a_licence_carries() -> None:
    carried = {edition: (built(edition=edition).caps.rpm, built(edition=edition).caps.tpm) for edition in EDITIONS}
    assert carried == {
        "pro": (600, 5_000_000),
        "team": (3_000, 30_000_000),
        "business": (10_000, None),
        "enterprise": (None, None),
    }


@pytest.mark.parametrize("edition", list(EDITIONS))
def test_caps_that_are_agreed_replace_the_editions(edition: EditionName) -> None:
    caps = built(edition=edition, rpm=7, tpm=8, seats=9).caps
    assert (caps.rpm, caps.tpm, caps.seats) == (7, 8, 9)


def test_absent_means_unlimited_in_the_bytes_too() -> None:
    assert b'"caps":{}' in built(edition="enterprise").to_bytes()


def test_days_count_from_when_it_begins() -> None:
    assert built(days=10).expires_at == NOW + timedelta(days=10)
    begins = datetime(2026, 5, 1, tzinfo=UTC)
    licence = built(days=10, not_before=begins)
    assert (licence.not_before, licence.expires_at) == (begins, begins + timedelta(days=10))


def test_it_is_bound_to_the_key_and_epoch_in_the_request() -> None:
    site = SimulatedSite(epoch=3)
    licence = build(TERMS, requested(site).claims, serial=9, now=NOW, random=repeatable("licence"))
    assert (licence.binding.site, licence.binding.epoch, licence.serial) == ("plant-7", 3, 9)
    assert licence.binding.key == site.key.public_key.keyid


def test_an_id_is_made_where_none_is_given() -> None:
    assert built(licence=None).licence.startswith("lic-")
    assert built(licence="AO-17").licence == "AO-17"


def test_a_duty_to_report_is_there_when_it_was_agreed() -> None:
    assert built().usage is None
    duty = built(report_every_days=31, when_overdue="block").usage
    assert duty is not None
    assert (duty.report_every_days, duty.when_overdue) == (31, "block")


@pytest.mark.parametrize(
    "terms",
    [
        {"days": None},
        {"expires": NOW + timedelta(days=1)},
        {"days": None, "expires": NOW},
        {"days": None, "expires": NOW - timedelta(days=1)},
        {"days": 1, "not_before": NOW - timedelta(days=2)},
        {"days": None, "expires": NOW + timedelta(days=1), "not_before": NOW + timedelta(days=2)},
        {"days": 10**9},
        {"days": 10**6, "not_before": datetime(1, 1, 1, tzinfo=UTC)},
        {"days": None, "expires": LAST_EXPIRY + timedelta(seconds=1)},
        {"models": ()},
        {"models": ("a b",)},
        {"customer": ""},
        {"customer": "Example\x1b[2J"},
        {"licence": "no spaces please"},
        {"grace_days": 367},
        {"rpm": 0},
    ],
    ids=str,
)
def test_terms_that_make_no_licence_are_refused(terms: dict[str, Any]) -> None:
    with pytest.raises(TermsRefused) as refused:
        built(**terms)
    assert refused.value.exit_code == 97


def test_the_same_terms_on_the_same_request_are_the_same_order() -> None:
    request, other = requested(SimulatedSite()), requested(SimulatedSite(epoch=2))
    again = Terms(customer="Example Works", edition="team", models=("*",), days=365, licence="lic-0001")
    assert TERMS.digest_for(request) == again.digest_for(request)
    assert TERMS.digest_for(request) != TERMS.digest_for(other)
    assert TERMS.digest_for(request) != replace(TERMS, not_before=NOW).digest_for(request)


# -- who may have one --------------------------------------------------------------------------------------------------


def enrollable(request: SimulatedSite, known: SimulatedSite | None, *, re_enrol: bool = False) -> bool:
    return require_enrollable(
        requested(request).claims,
        current=None if known is None else (known.key.public_key, known.epoch),
        owners=frozenset() if known is None else frozenset({known.site}),
        re_enrol=re_enrol,
    )


def test_a_new_site_is_enrolled_and_a_known_one_already_is(site: SimulatedSite) -> None:
    assert enrollable(site, None)
    assert not enrollable(site, site)


@pytest.mark.parametrize("changed", [{"epoch": 2}, {"key": SiteKey("other")}, {"key": SiteKey("other"), "epoch": 2}])
def test_another_key_or_epoch_needs_a_persons_word(site: SimulatedSite, changed: dict[str, Any]) -> None:
    returned = replace(site, **changed)
    with pytest.raises(SiteChanged) as refused:
        enrollable(returned, site)
    assert (refused.value.code, refused.value.exit_code) == ("site_changed", 96)
    assert "--re-enrol" in refused.value.remedy
    assert enrollable(returned, site, re_enrol=True)


def test_one_key_is_not_two_sites_whoever_agrees(site: SimulatedSite) -> None:
    request = requested(replace(site, site="plant-8")).claims
    with pytest.raises(EnrolmentRefused, match="copy of the other"):
        require_enrollable(request, current=None, owners=frozenset({"plant-7"}), re_enrol=True)


@pytest.mark.parametrize("point", [bytes(32), b"\x01" + bytes(31)], ids=["order four", "identity"])
def test_a_key_for_which_anybody_can_sign_is_refused_before_anything_else(site: SimulatedSite, point: bytes) -> None:
    claims = requested(site).claims.model_copy(update={"key": KeyRecord(algorithm="ed25519", public=point)})
    with pytest.raises(Malformed, match="weak"):
        require_enrollable(claims, current=None, owners=frozenset(), re_enrol=True)


# -- issued for real ---------------------------------------------------------------------------------------------------


def test_an_issued_licence_opens_under_the_vendors_trust(desk: VendorsDesk, site: SimulatedSite) -> None:
    delivered = desk.issue(site)
    licence = opened(desk)
    assert (delivered.name, delivered.serial) == (licence.licence, licence.serial) == ("lic-0001", 1)
    assert licence.issued_at == NOW


def test_serials_rise_for_each_site_by_itself(desk: VendorsDesk, site: SimulatedSite) -> None:
    other = SimulatedSite(site="plant-8", key=SiteKey("plant-8"))
    renewal = replace(TERMS, days=730)
    serials = [
        desk.issue(site, "a").serial,
        desk.issue(site, "b", terms=renewal).serial,
        desk.issue(other, "c", terms=replace(TERMS, licence="lic-0002")).serial,
        desk.issue(site, "d").serial,
    ]
    assert serials == [1, 2, 1, 3]


def test_a_licence_id_stays_with_its_site(desk: VendorsDesk, site: SimulatedSite) -> None:
    desk.issue(site, "a")
    before = desk.contents()
    with pytest.raises(TermsRefused, match="was issued to site 'plant-7'"):
        desk.issue(SimulatedSite(site="plant-8", key=SiteKey("plant-8")), "b")
    assert desk.contents() == before


def test_a_changed_site_leaves_no_trace_until_it_is_agreed_to(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    returned = replace(licensed, epoch=2, key=SiteKey("new"))
    before = desk.contents()
    with pytest.raises(SiteChanged):
        desk.issue(returned, "b")
    assert desk.contents() == before
    assert not (desk.folder / "b").exists()
    assert desk.issue(returned, "b", re_enrol=True).serial == 2
    assert opened(desk, "b").binding.epoch == 2
    assert desk.issue(returned, "c").serial == 3
    with pytest.raises(SiteChanged):
        desk.issue(licensed, "d")


def test_a_request_that_its_own_key_did_not_sign_is_refused(desk: VendorsDesk, site: SimulatedSite) -> None:
    before = desk.contents()
    forged = site.request(key=KeyRecord(algorithm="ed25519", public=SiteKey("other").public_key.public))
    for data, expected in ((forged, SignatureRefused), (b"{}", Malformed), (site.seal(), WrongKind)):
        path = desk.file("request", data)
        with pytest.raises(expected):
            issue_from(desk, path.name)
    with pytest.raises(NotFound):
        issue_from(desk, "nowhere")
    assert desk.contents() == before


def issue_from(desk: VendorsDesk, name: str) -> None:
    from licensing.vendor.operations import issue_licence

    out = desk.folder / "licence.json"
    issue_licence(
        desk.home, desk.folder / name, TERMS, out, re_enrol=False, unlock=desk.unlock, now=NOW, random=desk.random
    )


def test_a_taken_name_is_refused_before_a_serial_is_used_up(desk: VendorsDesk, site: SimulatedSite) -> None:
    desk.file("licence.json", b"mine")
    before = desk.contents()
    with pytest.raises(AlreadyThere):
        desk.issue(site)
    assert desk.contents() == before
    assert (desk.folder / "licence.json").read_bytes() == b"mine"
