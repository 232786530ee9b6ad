"""A usage file is accepted when everything about it holds; each way in which it may not has a verdict of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licensing.algorithms import digest
from licensing.envelope import Envelope, Signature, parse, sign, to_json
from licensing.strict_json import canonical
from licensing.usage import Admission, Counts, Period, Usage, tree_of
from licensing.vendor.authenticate import claimed_site
from licensing.vendor.findings import Chain, Finding, Outcome, SiteView, Verdict
from licensing.vendor.reconcile import reconcile
from tests.licensing.vendor.simulated_site import (
    DAY,
    ROWS,
    Change,
    SimulatedSite,
    SiteKey,
    changing,
    row,
    signed_usage,
    with_registers,
)
from tests.licensing.vendor.vendors_desk import NOW

LICENCES = frozenset({("lic-0001", 1, 1)})


class Vendor:
    """What a vendor remembers, without a database."""

    def __init__(self, *sites: SimulatedSite) -> None:
        self.views = {
            site.site: SiteView(
                site.site,
                (Chain(number, site.site, site.epoch, site.key.public_key),),
                LICENCES | {("l", 1, site.epoch)},
            )
            for number, site in enumerate(sites)
        }

    def take(self, *files: bytes) -> Outcome:
        everybody = [(view.site, chain.key) for view in self.views.values() for chain in view.chains]
        outcome = reconcile(files, self.views, everybody=everybody, now=NOW)
        for grown in outcome.grown:
            view = self.views[grown.site]
            chains = tuple(grown if chain.enrolment == grown.enrolment else chain for chain in view.chains)
            self.views[grown.site] = replace(view, chains=chains)
        return outcome

    def verdicts(self, *files: bytes) -> list[str]:
        return [finding.verdict.value for finding in self.take(*files).findings]

    def only(self, file: bytes) -> Finding:
        outcome = self.take(file)
        return outcome.findings[0]


@pytest.fixture
def vendor(site: SimulatedSite) -> Vendor:
    return Vendor(site)


# -- what is accepted --------------------------------------------------------------------------------------------------


def test_days_that_follow_on_are_accepted(vendor: Vendor, site: SimulatedSite) -> None:
    outcome = vendor.take(*site.days(3))
    assert [finding.verdict for finding in outcome.findings] == [Verdict.ACCEPTED] * 3
    assert [taken.usage.seq for taken in outcome.taken] == [1, 2, 3]
    assert outcome.all_good
    (grown,) = outcome.grown
    assert (grown.last, grown.head_digest) == (3, site.previous)


def test_a_day_with_nothing_is_a_day(vendor: Vendor, site: SimulatedSite) -> None:
    assert vendor.verdicts(site.seal(), site.seal(rows=()), site.seal()) == ["accepted"] * 3


def test_a_day_closed_early_goes_on_in_a_second_file(vendor: Vendor, site: SimulatedSite) -> None:
    noon = site.day + DAY / 2
    morning = site.seal(change=changing(period=Period(start=site.day, end=noon)))
    afternoon = site.seal(change=changing(period=Period(start=noon, end=noon + DAY / 2)))
    assert vendor.verdicts(morning, afternoon, site.seal()) == ["accepted"] * 3


def test_the_order_in_which_files_are_given_does_not_matter(site: SimulatedSite) -> None:
    files = site.days(4)
    for order in permutations(files):
        outcome = Vendor(SimulatedSite()).take(*order)
        assert [finding.seq for finding in outcome.findings] == [files.index(file) + 1 for file in order]
        assert [taken.usage.seq for taken in outcome.taken] == [1, 2, 3, 4]


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_nor_does_how_they_are_split_or_how_often_they_come(data: st.DataObject) -> None:
    site, vendor = SimulatedSite(), Vendor(SimulatedSite())
    files = site.days(5)
    waiting = data.draw(st.permutations(files + files))
    while waiting:
        count = data.draw(st.integers(1, len(waiting)))
        vendor.take(*waiting[:count])
        waiting = waiting[count:]
    vendor.take(*files)
    (chain,) = vendor.views["plant-7"].chains
    assert (chain.last, chain.head_digest) == (5, site.previous)


def test_two_sites_at_once_are_two_chains(site: SimulatedSite) -> None:
    other = SimulatedSite(site="plant-8", key=SiteKey("plant-8"))
    files = [file for pair in zip(site.days(3), other.days(3), strict=True) for file in pair]
    outcome = Vendor(site, other).take(*files)
    assert outcome.all_good
    assert {(chain.site, chain.last) for chain in outcome.grown} == {("plant-7", 3), ("plant-8", 3)}


def test_a_period_that_ends_after_the_vendors_time_is_mentioned(vendor: Vendor, site: SimulatedSite) -> None:
    site.day = NOW.replace(hour=0) + 30 * DAY
    assert "ends after 2026-04-01T12:00:00Z" in vendor.only(site.seal()).evidence


# -- what was seen before ----------------------------------------------------------------------------------------------


def test_a_replay_changes_nothing(vendor: Vendor, site: SimulatedSite) -> None:
    files = site.days(3)
    vendor.take(*files)
    outcome = vendor.take(*files)
    assert [finding.verdict for finding in outcome.findings] == [Verdict.ALREADY_ACCEPTED] * 3
    assert (outcome.taken, outcome.evidence, outcome.grown) == ((), (), ())
    assert outcome.all_good


def test_the_same_file_twice_in_one_go_counts_once(vendor: Vendor, site: SimulatedSite) -> None:
    file = site.seal()
    outcome = vendor.take(file, file)
    assert [finding.verdict.value for finding in outcome.findings] == ["accepted", "already_accepted"]
    assert len(outcome.taken) == 1


def test_other_signatures_on_the_same_content_are_a_replay(vendor: Vendor, site: SimulatedSite) -> None:
    file = site.seal()
    envelope = parse(file)
    again = Envelope(envelope.payload_type, envelope.body, (Signature("", bytes(64)), *envelope.signatures))
    assert vendor.verdicts(file, to_json(again)) == ["accepted", "already_accepted"]


# -- what is missing ---------------------------------------------------------------------------------------------------


def test_a_deleted_day_is_named(vendor: Vendor, site: SimulatedSite) -> None:
    files = site.days(5)
    outcome = vendor.take(files[0], files[2], files[4])
    assert [finding.verdict.value for finding in outcome.findings] == ["accepted", "gap", "gap"]
    assert "file 2 is missing" in outcome.findings[1].evidence
    assert "files 2 to 4 are missing" in outcome.findings[2].evidence
    assert outcome.evidence == ()
    assert vendor.verdicts(*files) == ["already_accepted"] + ["accepted"] * 4


def test_a_deleted_day_papered_over_shows_in_the_chain(vendor: Vendor, site: SimulatedSite) -> None:
    vendor.take(site.seal())
    kept = site.clone()
    site.seal()
    kept.day = site.day
    assert vendor.only(kept.seal()).verdict is Verdict.INCONSISTENT


def test_what_comes_after_a_refused_file_is_a_gap(vendor: Vendor, site: SimulatedSite) -> None:
    files = [site.seal(), site.seal(change=changing(tree=tree_of(()))), site.seal(), site.seal()]
    assert vendor.verdicts(*reversed(files)) == ["gap", "gap", "inconsistent", "accepted"]


# -- forks -------------------------------------------------------------------------------------------------------------


def test_a_number_with_other_content_is_a_fork_and_both_are_kept(vendor: Vendor, site: SimulatedSite) -> None:
    clone = site.clone()
    vendor.take(site.seal())
    other = clone.seal(rows=(row("assembly", "small", 1),))
    outcome = vendor.take(other)
    assert outcome.findings[0].verdict is Verdict.FORK
    assert "was accepted before with other content" in outcome.findings[0].evidence
    (kept,) = outcome.evidence
    assert (kept.document, kept.seq, kept.verdict) == (other, 1, Verdict.FORK)
    assert outcome.taken == ()


def test_two_heads_on_one_parent_in_one_go_are_both_refused(vendor: Vendor, site: SimulatedSite) -> None:
    first = site.seal()
    clone = site.clone()
    heads = (site.seal(), clone.seal(rows=()))
    after = site.seal()
    for order in permutations((first, *heads, after)):
        outcome = Vendor(SimulatedSite()).take(*order)
        verdicts = {file: finding.verdict for file, finding in zip(order, outcome.findings, strict=True)}
        assert verdicts[first] is Verdict.ACCEPTED
        assert verdicts[heads[0]] is verdicts[heads[1]] is Verdict.FORK
        assert verdicts[after] is Verdict.GAP
        assert {kept.document for kept in outcome.evidence} == set(heads)


def test_a_chain_that_grew_on_a_copy_does_not_join_this_one(vendor: Vendor, site: SimulatedSite) -> None:
    clone = site.clone()
    vendor.take(site.seal())
    clone.seal(rows=(row("assembly", "small", 1),))
    outcome = vendor.take(clone.seal())
    assert outcome.findings[0].verdict is Verdict.FORK
    assert "It follows sha256:" in outcome.findings[0].evidence
    assert len(outcome.evidence) == 1


def test_a_site_that_began_again_in_the_same_epoch_is_a_fork(vendor: Vendor, site: SimulatedSite) -> None:
    vendor.take(*site.days(3))
    assert vendor.only(SimulatedSite().seal(rows=())).verdict is Verdict.FORK


def test_after_a_fork_the_accepted_chain_goes_on(vendor: Vendor, site: SimulatedSite) -> None:
    clone = site.clone()
    vendor.take(site.seal())
    assert vendor.verdicts(clone.seal(rows=()), site.seal()) == ["fork", "accepted"]


# -- the arithmetic ----------------------------------------------------------------------------------------------------


def test_a_restored_database_shows_as_a_register_that_fell(vendor: Vendor, site: SimulatedSite) -> None:
    vendor.take(*site.days(2))
    finding = vendor.only(site.seal(change=with_registers({"small": Counts(requests=1), "large": Counts(requests=9)})))
    assert finding.verdict is Verdict.REGISTER_FELL
    assert "The register of " in finding.evidence


def test_a_register_that_vanished_fell(vendor: Vendor, site: SimulatedSite) -> None:
    vendor.take(site.seal())
    assert vendor.only(site.seal(rows=(), change=with_registers({}))).verdict is Verdict.REGISTER_FELL


def with_counts(**counts: int) -> Change:
    def change(usage: Usage) -> Usage:
        first = usage.rows[0]
        edited = first.model_copy(update={"counts": first.counts.model_copy(update=counts)})
        return usage.model_copy(update={"rows": (edited, *usage.rows[1:])})

    return change


def shifted(seconds: int) -> Change:
    def change(usage: Usage) -> Usage:
        return usage.model_copy(
            update={"period": Period(start=usage.period.start + timedelta(seconds=seconds), end=usage.period.end)}
        )

    return change


@pytest.mark.parametrize(
    ("change", "evidence"),
    [
        (with_counts(requests=1), "rows do not add up to the deltas"),
        (with_counts(prompt_tokens=1), "rows do not add up to the deltas"),
        (changing(deltas={}), "rows do not add up to the deltas"),
        (changing(registers={"small": Counts(requests=10**6)}), "registers are not"),
        (changing(tree=tree_of(())), "tree's root or size"),
        (changing(admissions=()), "admissions do not add up"),
        (changing(rows=tuple(reversed(ROWS))), "unique and in order"),
    ],
)
def test_a_file_that_does_not_add_up_is_refused_though_genuine(
    vendor: Vendor, site: SimulatedSite, change: Change, evidence: str
) -> None:
    outcome = vendor.take(site.seal(change=change))
    assert outcome.findings[0].verdict is Verdict.INCONSISTENT
    assert evidence in outcome.findings[0].evidence.lower()
    assert len(outcome.evidence) == 1


@pytest.mark.parametrize("seconds", [1, 3600])
def test_a_hole_between_periods_is_refused(vendor: Vendor, site: SimulatedSite, seconds: int) -> None:
    vendor.take(site.seal())
    finding = vendor.only(site.seal(change=shifted(seconds)))
    assert finding.verdict is Verdict.INCONSISTENT
    assert "does not start where the previous one ended" in finding.evidence


def test_counts_beyond_all_bounds_are_refused_and_not_a_fault_of_the_desk(vendor: Vendor, site: SimulatedSite) -> None:
    huge = Counts(requests=2**62)
    rows = tuple(replace_counts(each, huge) for each in (row("a", "small", 1), row("b", "small", 1)))
    outcome = vendor.take(
        site.seal(rows=(), change=changing(rows=rows, deltas={"small": huge}, registers={"small": huge}))
    )
    assert outcome.findings[0].verdict is Verdict.INCONSISTENT
    assert "do not add up" in outcome.findings[0].evidence


def replace_counts(of: Any, counts: Counts) -> Any:
    return of.model_copy(update={"counts": counts})


# -- licences ----------------------------------------------------------------------------------------------------------


def test_calls_admitted_under_a_licence_that_was_never_issued_show(vendor: Vendor, site: SimulatedSite) -> None:
    admissions = (
        Admission(licence_serial=1, config_serial=1, requests=3),
        Admission(licence_serial=7, config_serial=1, requests=2),
    )
    finding = vendor.only(site.seal(change=changing(admissions=admissions)))
    assert finding.verdict is Verdict.LICENCE_UNKNOWN
    assert "2 calls were admitted under licence serial 7" in finding.evidence


def test_a_licence_of_another_epoch_admits_nothing() -> None:
    site = SimulatedSite(epoch=2)
    vendor = Vendor(site)
    vendor.views["plant-7"] = replace(vendor.views["plant-7"], licences=LICENCES)
    assert vendor.verdicts(site.clone().seal()) == ["licence_unknown"]
    assert vendor.verdicts(site.seal(rows=())) == ["accepted"]


@pytest.mark.parametrize(("licence", "verdict"), [("lic-0001", "accepted"), ("lic-0002", "licence_unknown")])
def test_the_licence_that_it_names_was_issued_to_it(
    vendor: Vendor, site: SimulatedSite, licence: str, verdict: str
) -> None:
    site.licence = licence
    assert vendor.verdicts(site.seal(rows=())) == [verdict]


# -- whose file it is --------------------------------------------------------------------------------------------------


def edited(file: bytes, old: bytes, new: bytes) -> bytes:
    envelope = parse(file)
    assert old in envelope.body
    return to_json(Envelope(envelope.payload_type, envelope.body.replace(old, new), envelope.signatures))


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'"requests":3', b'"requests":2'), (b'"team":"quality"', b'"team":"nobody"'), (b'"seq":1', b'"seq":2')],
)
def test_an_edited_file_is_known_by_its_signature(vendor: Vendor, site: SimulatedSite, old: bytes, new: bytes) -> None:
    outcome = vendor.take(edited(site.seal(), old, new))
    assert outcome.findings[0].verdict is Verdict.EDITED
    assert outcome.evidence == (), "what nobody signed proves nothing"


def test_any_edit_of_any_byte_is_refused(site: SimulatedSite) -> None:
    envelope = parse(site.seal())
    for place in range(len(envelope.body)):
        body = envelope.body[:place] + bytes([envelope.body[place] ^ 1]) + envelope.body[place + 1 :]
        outcome = Vendor(SimulatedSite()).take(to_json(replace(envelope, body=body)))
        assert not outcome.all_good
        assert outcome.taken == ()
        assert outcome.evidence == ()


def test_a_file_in_another_sites_name_is_known_by_whose_key_signed_it(site: SimulatedSite) -> None:
    other = SimulatedSite(site="plant-8", key=SiteKey("plant-8"))
    vendor = Vendor(site, other)
    outcome = vendor.take(SimulatedSite(key=other.key).seal())
    assert outcome.findings[0].verdict is Verdict.WRONG_SITE
    assert "signed by the key of site 'plant-8'" in outcome.findings[0].evidence
    assert outcome.evidence[0].site == "plant-7"
    assert vendor.verdicts(site.seal()) == ["accepted"]


def test_a_file_of_a_site_that_nobody_enrolled_is_refused(vendor: Vendor) -> None:
    assert vendor.only(SimulatedSite(site="plant-9").seal()).verdict is Verdict.WRONG_SITE
    stranger = SimulatedSite(site="plant-9", key=SiteKey("stranger"))
    finding = vendor.only(stranger.seal())
    assert (finding.verdict, finding.site, finding.seq) == (Verdict.UNKNOWN_SITE, "plant-9", 1)


def test_a_regenerated_key_is_not_the_sites_key(vendor: Vendor, site: SimulatedSite) -> None:
    vendor.take(site.seal())
    site.key = SiteKey("regenerated")
    assert vendor.only(site.seal()).verdict is Verdict.UNKNOWN_KEY


def test_a_new_epoch_needs_a_request_first(vendor: Vendor) -> None:
    finding = vendor.only(SimulatedSite(epoch=2).seal())
    assert finding.verdict is Verdict.UNKNOWN_KEY
    assert "epoch 2; the site enrolled for epoch 1" in finding.evidence


def test_the_key_id_in_an_envelope_decides_nothing(vendor: Vendor, site: SimulatedSite) -> None:
    first, second = (parse(file) for file in site.days(2))
    lying = [Signature("f" * 64, first.signatures[0].sig)]
    assert vendor.verdicts(to_json(replace(first, signatures=tuple(lying)))) == ["accepted"]
    stranger = SiteKey("stranger").sign(b"something")
    claiming = Signature(site.key.public_key.keyid, stranger)
    assert vendor.verdicts(to_json(replace(second, signatures=(claiming,)))) == ["edited"]


def test_a_key_that_was_replaced_in_its_epoch_seals_nothing_new(vendor: Vendor, site: SimulatedSite) -> None:
    first, second = site.days(2)
    vendor.take(first)
    view = vendor.views["plant-7"]
    new = Chain(9, "plant-7", 1, SiteKey("new").public_key)
    old = replace(view.chains[0], superseded=True)
    vendor.views["plant-7"] = replace(view, chains=(new, old))
    assert vendor.verdicts(first, second) == ["already_accepted", "unknown_key"]
    assert vendor.verdicts(SimulatedSite(key=SiteKey("new")).seal()) == ["new_state"]


# -- what is no usage file ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"\x00" * 100,
        b"{" * 10_000,
        b"plain text\n",
        to_json(Envelope("application/vnd.ao.usage.v1+json", b"[]", (Signature("", b""),))),
        to_json(Envelope("application/vnd.ao.usage.v1+json", b'{"site":7}', (Signature("", b""),))),
        to_json(Envelope("application/vnd.ao.usage.v1+json", b'{"site":"plant-7","seq":"1"}', ())),
    ],
)
def test_what_is_no_usage_file_is_malformed(vendor: Vendor, data: bytes) -> None:
    assert vendor.only(data).verdict is Verdict.MALFORMED


def test_a_document_of_another_kind_is_malformed_as_usage(vendor: Vendor, site: SimulatedSite) -> None:
    assert vendor.only(site.request()).verdict is Verdict.MALFORMED


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=200)
    | st.dictionaries(st.text(), st.text() | st.integers()).map(lambda d: json.dumps(d).encode())
)
def test_no_bytes_whatever_are_a_fault_of_the_desk(data: bytes) -> None:
    outcome = Vendor(SimulatedSite()).take(data)
    assert not outcome.all_good
    assert claimed_site(data) is None


BREAKS: list[Callable[[dict[str, Any]], dict[str, Any]]] = [
    lambda body: body | {"schema": 2},
    lambda body: body | {"unknown": 1},
    lambda body: body | {"serial": 7},
    lambda body: body | {"previous": "sha256:" + "0" * 64},
    lambda body: body | {"period": {"start": "9999-12-31T00:00:00Z", "end": "9999-12-31T12:00:00Z"}},
    lambda body: body | {"seq": -1, "serial": -1},
    lambda body: {name: value for name, value in body.items() if name != "tree"},
]


@pytest.mark.parametrize("break_it", BREAKS)
def test_what_the_site_signed_and_is_no_usage_is_malformed_and_kept(
    vendor: Vendor, site: SimulatedSite, break_it: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    body = canonical(break_it(json.loads(parse(site.seal()).body)))
    file = to_json(sign(Usage.payload_type(), body, [site.key]))
    outcome = vendor.take(file)
    assert outcome.findings[0].verdict is Verdict.MALFORMED
    (kept,) = outcome.evidence
    assert (kept.digest, kept.document) == (digest(body), file)


def test_foreign_labels_reach_a_sentence_harmless(vendor: Vendor, site: SimulatedSite) -> None:
    evil = "model\x1b[2J\u202e"
    stranger = SimulatedSite(site="plant-9", key=SiteKey("stranger"))
    file = signed_usage(
        Usage.model_validate_json(parse(stranger.seal()).body).model_copy(update={"site": evil}), stranger.key
    )
    assert vendor.only(file).evidence.isprintable()
