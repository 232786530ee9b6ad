"""From three officers' keys to a config in force: the vendor names them, two of them sign, the gateway reads it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.config.open import DELEGATED_ROLE
from appliance.errors import ConfigRefused, OfficerKeyRefused
from appliance.gateway.snapshot import take_snapshot
from appliance.officer.signing_key import look_at
from appliance.operations.config import activate_config, examine_config
from appliance.operations.licence import import_licence
from appliance.operations.officer import prepare_to_cosign, prepare_to_sign, show_officer_key, sign_paper
from appliance.operations.site import request_document
from appliance.state.site import ENTROPY_BYTES, Site, create_site
from licensing.document import PAYLOAD_TYPES
from licensing.envelope import parse, sign, to_clear
from licensing.errors import SerialRefused, SignatureRefused, WrongAudience
from tests.appliance.officer.officers import TEXT, key_file, opened, words
from tests.appliance.papers import entropy
from tests.appliance.sites import no_secrets
from tests.licensing.vendor.vendors_desk import VendorsDesk, vendors_desk
from tests.licensing.vendor.vendors_shell import Shell

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
SITE = "plant-7"
OFFICERS = ("alice", "bob", "carol")


@dataclass
class Works:
    """A customer's site, its officers' key files, and the vendor who licensed it."""

    folder: Path
    desk: VendorsDesk
    site: Site
    licence: dict[str, object]

    def key(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    def signed(self, *names: str, serial: int = 1, text: str = TEXT, out: str = "plant.yaml.signed") -> Path:
        """The config as these officers sign it, one after the other."""
        source, file = self.folder / "plant.yaml", self.folder / out
        source.write_text(text)
        file.unlink(missing_ok=True)
        first, *others = names
        sign_paper(prepare_to_sign(source, file, site=SITE, serial=serial, now=NOW), self.key(first), words, file)
        for name in others:
            self.cosign(file, name)
        return file

    def cosign(self, file: Path, name: str) -> None:
        sign_paper(prepare_to_cosign(file, file), self.key(name), words, file, replace=True)

    def bring(self, file: Path) -> None:
        activate_config(self.site, examine_config(self.site, file, no_secrets, NOW), NOW)


@pytest.fixture
def works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Works]:
    """The licence delegates to two of three officers, by the public key files that they handed on."""
    desk = vendors_desk(tmp_path)
    desk.now = NOW - timedelta(hours=1)
    monkeypatch.chdir(desk.folder)
    for name in OFFICERS:
        show_officer_key(key_file(tmp_path, name), tmp_path / f"{name}.pub")
    site = create_site(
        tmp_path / "state",
        site=SITE,
        name="Example Works, plant 7",
        trust=desk.home.trust_file.read_bytes(),
        now=NOW - timedelta(hours=2),
        build_time=NOW - timedelta(days=30),
        entropy=entropy("plant-7", ENTROPY_BYTES),
    )
    request = desk.file("request.json", request_document(site, NOW - timedelta(hours=2)))
    named = [word for name in OFFICERS for word in ("--delegate-config", f"{name}.pub")]
    terms = "--customer Works --edition enterprise --add-on demo --models * --days 365 --delegate-threshold 2"
    out = tmp_path / "licence.json"
    Shell(desk).json("licence", "issue", request, *terms.split(), *named, "--out", out)
    import_licence(site, out, NOW)
    yield Works(tmp_path, desk, site, json.loads(parse(out.read_bytes()).body))
    site.close()


def test_the_vendor_named_the_officers_whose_public_halves_it_was_given(works: Works) -> None:
    delegated = works.licence["config_delegation"]
    assert isinstance(delegated, dict)
    assert delegated["threshold"] == 2
    public = [look_at(works.key(name)).model_dump(mode="json")["public"] for name in OFFICERS]
    assert [record["public"] for record in delegated["keys"]] == public


def test_one_signature_is_refused_and_the_second_makes_it_a_config(works: Works) -> None:
    file = works.signed("alice")
    with pytest.raises(SignatureRefused, match="1 of the 2"):
        works.bring(file)
    works.cosign(file, "carol")
    works.bring(file)
    snapshot = take_snapshot(works.site, no_secrets, NOW)
    assert snapshot.refusal is None
    assert snapshot.config is not None
    assert (snapshot.config.serial, snapshot.config.aliases) == (1, ("chat",))
    assert set(snapshot.routes) == {"chat"}
    floor = works.site.floor_of(DELEGATED_ROLE)
    assert floor is not None
    assert floor.serial == 1


def test_the_same_officer_twice_is_refused_on_the_officers_machine(works: Works) -> None:
    file = works.signed("alice")
    before = file.read_bytes()
    shutil.copy(works.key("alice"), works.folder / "second.key")
    for name in ("alice", "second"):
        with pytest.raises(OfficerKeyRefused, match="signed this document already") as refused:
            works.cosign(file, name)
        assert "another person" in refused.value.remedy
    assert file.read_bytes() == before


def test_the_same_officer_twice_is_refused_at_the_site_however_it_came_about(works: Works) -> None:
    alice = opened(works.key("alice"))
    body = parse(works.signed("alice").read_bytes()).body
    file = works.folder / "twice.yaml.signed"
    file.write_bytes(to_clear(sign(PAYLOAD_TYPES["config"], body, [alice, alice])))
    with pytest.raises(SignatureRefused, match="1 of the 2"):
        works.bring(file)


def test_a_stranger_does_not_count(works: Works) -> None:
    key_file(works.folder, "mallory")
    file = works.signed("alice", "mallory")
    with pytest.raises(SignatureRefused, match="1 of the 2"):
        works.bring(file)
    works.cosign(file, "bob")
    works.bring(file)


def test_the_vendors_signature_is_refused_for_a_config_that_arrives(works: Works) -> None:
    works.desk.sign(TEXT.encode(), "vendors.yaml.signed", site=SITE)
    file = works.folder / "vendors.yaml.signed"
    with pytest.raises(SignatureRefused, match="0 of the 2"):
        works.bring(file)
    works.cosign(file, "alice")
    with pytest.raises(SignatureRefused, match="1 of the 2"):
        works.bring(file)


def test_a_cosigned_file_is_the_first_one_with_a_signature_more(works: Works) -> None:
    first = parse(works.signed("alice").read_bytes())
    both = parse(works.signed("alice", "bob").read_bytes())
    assert both.body == first.body
    assert both.signatures[0] == first.signatures[0]
    assert [each.keyid for each in both.signatures] == [
        opened(works.key(name)).public_key.keyid for name in ("alice", "bob")
    ]
    assert works.signed("alice", "bob").read_text().startswith("kind: config\n")


def test_a_byte_changed_between_two_officers_costs_the_first_signature(works: Works) -> None:
    file = works.signed("alice")
    file.write_bytes(file.read_bytes().replace(b"alias: chat", b"alias: chet"))
    works.cosign(file, "bob")
    with pytest.raises(SignatureRefused, match="1 of the 2"):
        works.bring(file)


def test_serials_rise_and_a_config_for_another_site_stays_out(works: Works) -> None:
    works.bring(works.signed("alice", "bob", serial=2))
    with pytest.raises(SerialRefused):
        works.bring(works.signed("alice", "bob", serial=1))
    source, file = works.folder / "plant.yaml", works.folder / "elsewhere.yaml.signed"
    sign_paper(prepare_to_sign(source, file, site="plant-8", serial=3, now=NOW), works.key("alice"), words, file)
    works.cosign(file, "bob")
    with pytest.raises(WrongAudience):
        works.bring(file)
    works.bring(works.signed("bob", "carol", serial=3, text=TEXT.replace("chat", "talk")))
    snapshot = take_snapshot(works.site, no_secrets, NOW)
    assert set(snapshot.routes) == {"talk"}


def test_what_was_laid_out_is_what_is_signed_whatever_happens_to_the_file(works: Works) -> None:
    file = works.signed("alice")
    paper = prepare_to_cosign(file, file)
    file.write_bytes(file.read_bytes().replace(b"alias: chat", b"alias: chet"))
    sign_paper(paper, works.key("bob"), words, file, replace=True)
    works.bring(file)
    assert take_snapshot(works.site, no_secrets, NOW).config is not None
    assert b"chet" not in file.read_bytes()


def test_what_breaks_the_configs_rules_is_signed_by_nobody(works: Works) -> None:
    with pytest.raises(ConfigRefused, match="no provider"):
        works.signed("alice", text=TEXT.replace("demo", "nobody"))
    assert not (works.folder / "plant.yaml.signed").exists()
