"""A config in the hands of a customer's officers: counted by the licence that hands it over."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from licensing.vendor.keyring import VendorKey, new_key, seal
from tests.licensing.vendor.simulated_site import SimulatedSite
from tests.licensing.vendor.vendors_desk import CHEAP, TERMS, VendorsDesk, repeatable, words
from tests.licensing.vendor.vendors_shell import Shell

CONFIG = b"models: []\n"
ALICE, BOB, CAROL, MALLORY = (
    new_key("config", name, "ed25519", repeatable(name)) for name in ("alice", "bob", "carol", "mallory")
)


@pytest.fixture
def shell(desk: VendorsDesk) -> Shell:
    """A site whose configs two of Alice, Bob and Carol sign; each has a key file, and so has Mallory."""
    keys = tuple(each.public_key for each in (ALICE, BOB, CAROL))
    desk.issue(SimulatedSite(), terms=replace(TERMS, delegate_config=keys, delegate_threshold=2))
    for each in (ALICE, BOB, CAROL, MALLORY):
        desk.file(f"{each.label}.key", seal(each, words(), random=desk.random, limits=CHEAP)).chmod(0o600)
    return Shell(desk)


@pytest.fixture
def config(shell: Shell) -> Path:
    """Signed by the vendor alone, whose signature counts nothing here."""
    return shell.desk.sign(CONFIG).file


def licence(shell: Shell) -> tuple[str, Path]:
    return "--licence", shell.desk.folder / "licence.json"


def add(shell: Shell, config: Path, who: VendorKey, code: int = 0) -> dict[str, object]:
    key = shell.desk.folder / f"{who.label}.key"
    return shell.json("sign", "add", config, "--key", key, *licence(shell), "--yes", code=code)


def test_the_officers_are_counted_and_the_vendor_is_not(shell: Shell, config: Path) -> None:
    (quorum,) = shell.json_plain("sign", "status", config, *licence(shell))["quorums"]
    assert (quorum["licence"], quorum["threshold"], quorum["signed"], quorum["missing"]) == ("lic-0001", 2, [], 2)
    assert add(shell, config, ALICE)["complete"] is False
    assert add(shell, config, BOB)["complete"] is True
    text = shell.run("sign", "status", config, *licence(shell)).stdout
    assert "Role config, licence lic-0001: 2 of 2 have signed, complete." in text
    assert "not one that counts here" in text, "the vendor's own signature"


def test_more_than_are_needed_are_told_apart(shell: Shell, config: Path) -> None:
    for each in (ALICE, BOB, CAROL):
        add(shell, config, each)
    assert "2 of 2 have signed, and 1 besides, complete." in shell.run("sign", "status", config, *licence(shell)).stdout


def test_without_the_licence_the_vendors_count_says_what_may_be_missing(shell: Shell, config: Path) -> None:
    desk = shell.desk
    desk.rotate(new=(("config", "ed25519"),), thresholds=(("config", 2),))
    text = shell.run("sign", "status", config).stdout
    assert "Role config, trust version 2: 1 of 2 have signed, 1 more needed." in text
    assert "--licence" in text


def test_a_key_that_the_licence_does_not_name_is_refused_before_anybody_is_asked(shell: Shell, config: Path) -> None:
    before = config.read_bytes()
    refused = shell.run("sign", "add", config, "--key", shell.desk.folder / "mallory.key", *licence(shell))
    assert refused.exit_code == 93
    assert "not one of the officers whom licence lic-0001 names" in refused.stderr
    assert "Sign it?" not in refused.output
    assert config.read_bytes() == before


def test_an_officer_whom_the_trust_has_revoked_counts_no_more(shell: Shell, config: Path) -> None:
    add(shell, config, ALICE)
    shell.desk.rotate(revoke_keys=(ALICE.public_key.keyid,))
    (quorum,) = shell.json_plain("sign", "status", config, *licence(shell))["quorums"]
    assert (quorum["signed"], quorum["missing"]) == ([], 2)


def test_a_licence_that_is_not_genuine_counts_nobody(shell: Shell, config: Path) -> None:
    file = shell.desk.folder / "licence.json"
    file.write_bytes(file.read_bytes().replace(b'"payload":"', b'"payload":"eyJ9', 1))
    refused = shell.json_plain("sign", "status", config, "--licence", file, code=11)["error"]
    assert (refused["code"], refused["where"]) == ("signature_refused", str(file))


def test_a_licence_that_delegates_nothing_and_a_document_that_is_no_config_are_refused(
    shell: Shell, config: Path
) -> None:
    shell.desk.issue(SimulatedSite(), "plain.json", terms=replace(TERMS, licence=None))
    plain = shell.desk.folder / "plain.json"
    nobody = shell.json_plain("sign", "status", config, "--licence", plain, code=11)["error"]
    assert "hands configs to nobody" in nobody["message"]
    other = shell.json_plain("sign", "status", plain, *licence(shell), code=12)["error"]
    assert other["code"] == "document_kind"
