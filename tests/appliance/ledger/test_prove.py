"""One disputed call is shown to be in a file, or that it is not; the others stay unseen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from appliance.cli.main import main
from appliance.errors import EntryPruned, EntryUnknown, LedgerLost
from appliance.ledger.rows import leaf_of
from appliance.ledger.seal import sealed_files
from appliance.operations.site import write_request
from appliance.operations.usage import drop_old, export_usage, import_receipt, prove_exchange, seal_now
from appliance.state.site import Site
from licensing.clock import witness
from licensing.document import format_time
from licensing.errors import Malformed, WrongAudience
from licensing.strict_json import canonical
from licensing.usage import open_usage
from licensing.usage_proof import read_proof, require_proven
from tests.appliance.entries import entry, record
from tests.appliance.papers import DEMO_MODELS, NOW, receipt_bytes
from tests.appliance.sites import make_site, on_stick, put_config, put_licence

POLICIES = {"open": "", "guarded": "usage:\n  labels: {org: hash, team: hash, key: drop, provider: private}\n"}
CALL = f"req_{int(NOW.timestamp() * 1000):012x}abcdef000001"


@pytest.fixture(params=POLICIES)
def site(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    site = make_site(tmp_path / "state")
    put_licence(site)
    put_config(site, DEMO_MODELS + POLICIES[request.param])
    others = [entry(f"other-{n}", team=f"team-{n % 3}", prompt_tokens=7000 + n) for n in range(20)]
    record(site, entry(CALL, team="team-1"), *others, name="w")
    seal_now(site, NOW + timedelta(hours=1))
    yield site
    site.close()


def test_each_call_of_a_file_can_be_shown_and_shows_no_other(site: Site) -> None:
    [sealed] = sealed_files(site.database)
    usage = open_usage(sealed.data, site.key.public_key)
    for name in [CALL, *(f"other-{n}" for n in range(20))]:
        data = prove_exchange(site, name).to_bytes()
        require_proven(read_proof(data), usage)
        assert read_proof(data).entry["id"] == name
        assert [n for n in range(20) if f"other-{n}" != name and f'"other-{n}"'.encode() in data] == []


def test_a_proof_shows_the_labels_as_the_file_has_them_and_a_salt(site: Site) -> None:
    proof = prove_exchange(site, CALL)
    assert {proof.entry[label] for label in ("org", "team", "key")} == {proof.row.org, proof.row.team, proof.row.key}
    salts = {prove_exchange(site, name).entry["salt"] for name in (CALL, "other-1", "other-2")}
    assert len(salts) == 3


def test_a_changed_entry_is_not_proven(site: Site) -> None:
    [sealed] = sealed_files(site.database)
    usage = open_usage(sealed.data, site.key.public_key)
    members = json.loads(prove_exchange(site, CALL).to_bytes())
    members["entry"]["prompt_tokens"] += 1
    with pytest.raises(Malformed):
        require_proven(read_proof(json.dumps(members).encode()), usage)
    seal_now(site, NOW + timedelta(hours=2))
    other = open_usage(sealed_files(site.database)[1].data, site.key.public_key)
    with pytest.raises(WrongAudience):
        require_proven(prove_exchange(site, CALL), other)


def test_what_is_not_in_a_file_is_said_to_be_not(site: Site) -> None:
    record(site, entry("tomorrow"), name="later")
    with pytest.raises(EntryUnknown, match="no exchange"):
        prove_exchange(site, "req_nobody")
    with pytest.raises(EntryUnknown, match="no exchange"):
        prove_exchange(site, "tomorrow")


def test_a_ledger_that_was_changed_proves_nothing(site: Site) -> None:
    site.database.execute("DELETE FROM ledger WHERE id = 'other-1'")
    with pytest.raises(LedgerLost):
        prove_exchange(site, CALL)


def test_exchanges_go_when_they_are_acknowledged_and_old_and_their_roots_stay(site: Site) -> None:
    [sealed] = sealed_files(site.database)
    site.raise_time_floor(lambda floor: witness(floor, NOW + timedelta(days=500), "a document"))
    assert drop_old(site) == 0, "the vendor has not acknowledged them"
    receipt = receipt_bytes(
        epoch=site.epoch, seq=1, head=sealed.digest, accepted_until=format_time(sealed.period.end), now=NOW
    )
    import_receipt(site, on_stick(site, "r.json", receipt), NOW)
    record(site, entry("new"), name="new")
    seal_now(site, NOW + timedelta(hours=2))
    assert drop_old(site) == 21
    assert drop_old(site) == 0
    assert sealed_files(site.database)[0] == sealed
    with pytest.raises(EntryPruned, match="usage file 1"):
        prove_exchange(site, CALL)
    assert prove_exchange(site, "new").seq == 2


def test_young_exchanges_stay_although_acknowledged(site: Site) -> None:
    [sealed] = sealed_files(site.database)
    receipt = receipt_bytes(epoch=site.epoch, seq=1, head=sealed.digest, accepted_until=format_time(sealed.period.end))
    import_receipt(site, on_stick(site, "r.json", receipt), NOW)
    assert drop_old(site) == 0
    assert prove_exchange(site, CALL).seq == 1


def test_proof_and_file_are_checked_on_a_machine_without_a_site(site: Site, tmp_path: Path) -> None:
    elsewhere = str(tmp_path / "nowhere")
    (tmp_path / "out").mkdir()
    [written] = export_usage(site, tmp_path / "out")
    write_request(site, tmp_path / "request.json", NOW)
    made = CliRunner().invoke(
        main, ["usage", "prove", "--request-id", CALL, "--out", str(tmp_path / "p"), "--state-dir", str(site.folder)]
    )
    assert made.exit_code == 0, made.output
    check = ["usage", "check-proof", str(tmp_path / "p"), "--file", str(written.path), "--state-dir", elsewhere]
    assert CliRunner().invoke(main, check).exit_code == 40
    held = CliRunner().invoke(main, [*check, "--request", str(tmp_path / "request.json"), "--json"])
    assert held.exit_code == 0, held.output
    assert json.loads(held.output)["entry"]["id"] == CALL
    show = ["usage", "show", str(written.path), "--state-dir", elsewhere]
    unchecked = CliRunner().invoke(main, show)
    assert "NOT checked" in unchecked.stderr
    checked = CliRunner().invoke(main, [*show, "--request", str(tmp_path / "request.json")])
    assert checked.stderr == ""
    assert json.loads(checked.stdout) == json.loads(unchecked.stdout)


@given(st.dictionaries(st.text(max_size=8), st.one_of(st.text(), st.integers(-(2**62), 2**62), st.none()), max_size=6))
def test_a_leaf_is_canonical_json(entry_: dict[str, Any]) -> None:
    assert leaf_of(entry_) == canonical(entry_)
