"""What leaves in a usage file is what the config in force allows, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from appliance.config.usage_part import LabelPolicy, UsagePolicy, changes
from appliance.errors import ConfigRefused
from appliance.ledger.redact import Redaction, Terms
from appliance.ledger.seal import sealed_files
from appliance.operations.config import examine_config
from appliance.operations.usage import seal_due, seal_now
from appliance.state.site import Site
from licensing.envelope import parse
from licensing.usage import Usage, faults_between, faults_within, open_usage
from tests.appliance.entries import entry, record
from tests.appliance.papers import DEMO_MODELS, NOW, config_bytes
from tests.appliance.sites import any_secret, make_site, on_stick, put_config, put_licence

GUARDED = "usage:\n  labels: {org: hash, team: hash, key: drop, provider: private}\n"
NAMES = (b'"hospital"', b"ward-3", b"ward-4", b"key_00000000000", b"demo")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = make_site(tmp_path / "state")
    put_licence(site)
    yield site
    site.close()


def calls(site: Site, name: str) -> None:
    record(
        site,
        entry(f"{name}1"),
        entry(f"{name}2", team="ward-4", key="key_000000000002"),
        entry(f"{name}3", key="key_000000000003"),
        name=name,
    )


def usages(site: Site) -> list[Usage]:
    return [open_usage(each.data, site.key.public_key).claims for each in sealed_files(site.database)]


def test_without_a_policy_the_labels_leave_as_they_are(site: Site) -> None:
    put_config(site)
    calls(site, "a")
    seal_now(site, NOW + timedelta(hours=1))
    [usage] = usages(site)
    assert {(row.org, row.team, row.key, row.provider) for row in usage.rows} == {
        ("hospital", "ward-3", "key_000000000001", "demo"),
        ("hospital", "ward-4", "key_000000000002", "demo"),
        ("hospital", "ward-3", "key_000000000003", "demo"),
    }


def test_what_the_policy_holds_back_is_nowhere_in_the_file(site: Site) -> None:
    put_config(site, DEMO_MODELS + GUARDED)
    calls(site, "a")
    seal_now(site, NOW + timedelta(hours=1))
    [sealed] = sealed_files(site.database)
    body = parse(sealed.data).body
    assert [name for name in NAMES if name in body] == []
    [usage] = usages(site)
    assert list(faults_within(usage)) == []
    # Two teams, whose keys are one: two rows.
    assert [(row.key, row.provider, row.model, row.counts.requests) for row in usage.rows] in (
        [("-", "private", "chat", 1), ("-", "private", "chat", 2)],
        [("-", "private", "chat", 2), ("-", "private", "chat", 1)],
    )
    assert {row.org for row in usage.rows} == {usage.rows[0].org}
    assert usage.rows[0].team != usage.rows[1].team


def test_the_same_team_has_the_same_pseudonym_while_the_licence_is_renewed(site: Site) -> None:
    put_config(site, DEMO_MODELS + GUARDED)
    calls(site, "a")
    seal_now(site, NOW + timedelta(hours=1))
    put_licence(site, serial=2)
    calls(site, "b")
    seal_now(site, NOW + timedelta(hours=2))
    first, second = ({(row.org, row.team) for row in usage.rows} for usage in usages(site))
    assert first == second
    put_licence(site, serial=3, licence="lic-another-contract")
    calls(site, "c")
    seal_now(site, NOW + timedelta(hours=3))
    third = {(row.org, row.team) for row in usages(site)[2].rows}
    assert not {name for pair in third for name in pair} & {name for pair in first for name in pair}


def test_another_site_has_other_pseudonyms() -> None:
    terms = Terms(LabelPolicy("hash", "hash", "hash", "private"), "lic-1")
    labels = ("hospital", "ward-3", "key", "chat", "demo")
    here, there = (Redaction(terms, lambda purpose, name=name: name + purpose).labels(labels) for name in (b"a", b"b"))  # type: ignore[misc]
    assert not set(here[:3]) & set(there[:3])
    assert here[3:] == there[3:] == ("chat", "private")
    # The same name as org and as team is two pseudonyms.
    same = Redaction(terms, lambda purpose: purpose).labels(("x", "x", "x", "chat", "demo"))
    assert len({each.split("-", 1)[1] for each in same[:3]}) == 3


def test_a_config_that_cannot_be_read_lets_no_name_out(site: Site) -> None:
    put_config(site, DEMO_MODELS + GUARDED)
    calls(site, "a")
    site.database.execute("UPDATE documents SET bytes = x'00' WHERE role LIKE 'config%'")
    seal_now(site, NOW + timedelta(hours=1))
    [sealed] = sealed_files(site.database)
    assert [name for name in NAMES if name in parse(sealed.data).body] == []


def test_changing_the_policy_leaves_the_chain_and_its_sums_whole(site: Site) -> None:
    put_config(site)
    calls(site, "a")
    seal_now(site, NOW + timedelta(hours=1))
    put_config(site, DEMO_MODELS + GUARDED, serial=2)
    calls(site, "b")
    seal_now(site, NOW + timedelta(hours=2))
    seal_due(site, NOW + timedelta(days=1), lead=None)
    before = None
    for usage in usages(site):
        assert [*faults_within(usage), *faults_between(before, usage)] == []
        before = usage
    assert before is not None
    assert before.registers["chat"].requests == 6


def test_an_officer_sees_that_a_config_lets_more_out(site: Site) -> None:
    put_config(site, DEMO_MODELS + GUARDED)
    file = on_stick(site, "next", config_bytes(DEMO_MODELS, serial=2))
    lines = examine_config(site, file, any_secret, NOW).plan.lines()
    assert "usage files: org names: hash -> show" in lines
    assert "usage files: provider names: private -> show" in lines
    assert list(changes(UsagePolicy(), UsagePolicy())) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("usage:\n  labels: {org: hide}\n", "'show', 'hash' or 'drop'"),
        ("usage:\n  labels: {model: drop}\n", "model"),
        ("usage:\n  retention_days: 3\n", "35"),
    ],
)
def test_a_policy_that_is_none_is_refused_with_its_line(site: Site, text: str, told: str) -> None:
    with pytest.raises(ConfigRefused, match=told) as caught:
        examine_config(site, on_stick(site, "bad", config_bytes(DEMO_MODELS + text)), any_secret, NOW)
    assert "line" in str(caught.value)


def test_the_terms_of_a_file_are_kept_with_it(site: Site) -> None:
    put_config(site, DEMO_MODELS + GUARDED)
    seal_now(site, NOW + timedelta(hours=1))
    stored = json.loads(site.database.execute("SELECT terms FROM usage_files").fetchone()["terms"])
    assert Terms.from_members(stored).labels == LabelPolicy("hash", "hash", "drop", "private")
