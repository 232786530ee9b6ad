"""A licence bound to hardware, and one that hands the configs to the customer's officers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from licensing.algorithms import PublicKey
from licensing.binding import SiteFacts, fact_digest, mismatch
from licensing.document import PAYLOAD_TYPES
from licensing.envelope import parse, sign, to_clear, verify
from licensing.errors import SignatureRefused
from licensing.licence import Delegation, Licence, open_licence
from licensing.vendor.errors import KeyDamaged, TermsRefused
from licensing.vendor.key_files import public_half, public_key_of, read_key
from licensing.vendor.keyring import VendorKey, new_key, seal
from tests.licensing.vendor.simulated_site import SimulatedSite
from tests.licensing.vendor.vendors_desk import CHEAP, TERMS, VendorsDesk, repeatable, words
from tests.licensing.vendor.vendors_shell import Shell

HERE = {name: (fact_digest("plant-7", name, "x"),) for name in ("board", "cpu", "mac")}


class Plant(SimulatedSite):
    """A site whose request tells of its hardware."""

    def request(self, **changes: Any) -> bytes:
        return super().request(**{"hardware": HERE, **changes})


def licence(desk: VendorsDesk, name: str = "licence.json") -> Licence:
    return open_licence((desk.folder / name).read_bytes(), desk.trust).claims


# -- hardware ----------------------------------------------------------------------------------------------------------


def test_a_licence_holds_where_enough_of_the_hardware_does(desk: VendorsDesk) -> None:
    site = Plant()
    desk.issue(site, terms=replace(TERMS, bind_hardware=2))
    binding = licence(desk).binding
    assert binding.hardware is not None
    assert (binding.hardware.need, binding.hardware.facts) == (2, HERE)
    facts = {name: frozenset(known) for name, known in HERE.items()}
    for lost, fits in (((), True), (("mac",), True), (("mac", "cpu"), False)):
        here = {name: known for name, known in facts.items() if name not in lost}
        at = SiteFacts("plant-7", site.key.public_key.keyid, 1, here)
        assert (mismatch(binding, at) is None) == fits


@pytest.mark.parametrize(("site", "need"), [(SimulatedSite(), 1), (Plant(), 4)])
def test_more_facts_than_the_request_names_cannot_be_needed(desk: VendorsDesk, site: SimulatedSite, need: int) -> None:
    before = desk.contents()
    with pytest.raises(TermsRefused, match="facts of the hardware"):
        desk.issue(site, terms=replace(TERMS, bind_hardware=need))
    assert desk.contents() == before


def test_without_being_asked_no_licence_is_bound_to_hardware(desk: VendorsDesk) -> None:
    desk.issue(Plant())
    assert licence(desk).binding.hardware is None


# -- delegation --------------------------------------------------------------------------------------------------------


def officer(name: str) -> VendorKey:
    return new_key("config", name, "ed25519", repeatable(name))


ALICE, BOB, CAROL = officer("alice"), officer("bob"), officer("carol")


def delegated(desk: VendorsDesk, *officers: VendorKey, threshold: int | None = None, out: str = "l") -> Delegation:
    keys = tuple(each.public_key for each in officers)
    desk.issue(SimulatedSite(), out, terms=replace(TERMS, delegate_config=keys, delegate_threshold=threshold))
    found = licence(desk, out).config_delegation
    assert found is not None
    return found


def test_the_officers_sign_configs_and_the_vendor_does_not(desk: VendorsDesk) -> None:
    found = delegated(desk, ALICE, BOB, CAROL, threshold=2)
    keys = [record.key for record in found.keys]
    body = b"models: []\n"
    kind = PAYLOAD_TYPES["config"]

    def opened(*signers: Any) -> bytes:
        envelope = parse(to_clear(sign(kind, body, signers)))
        return verify(envelope, payload_type=kind, keys=keys, threshold=found.threshold).body

    assert opened(ALICE, CAROL) == body
    (vendor,) = desk.home.signers(desk.trust, "config", desk.unlock)
    for signers in ((ALICE,), (ALICE, ALICE), (ALICE, vendor)):
        with pytest.raises(SignatureRefused):
            opened(*signers)


def test_their_epoch_rises_when_their_keys_change_and_only_then(desk: VendorsDesk) -> None:
    epochs = [
        delegated(desk, ALICE, BOB, out="1").epoch,
        delegated(desk, BOB, ALICE, out="2").epoch,
        delegated(desk, ALICE, BOB, threshold=2, out="3").epoch,
        delegated(desk, ALICE, out="4").epoch,
        delegated(desk, ALICE, BOB, out="5").epoch,
    ]
    assert epochs == [1, 1, 1, 2, 3]
    desk.issue(SimulatedSite(), "6")
    assert licence(desk, "6").config_delegation is None
    assert delegated(desk, CAROL, out="7").epoch == 4, "also when a licence without one came between"


@pytest.mark.parametrize(
    ("keys", "threshold"),
    [((), 1), ((ALICE.public_key,), 2), ((ALICE.public_key, ALICE.public_key), 1)],
    ids=["nobody", "never reached", "twice"],
)
def test_a_delegation_that_cannot_work_is_refused(
    desk: VendorsDesk, site: SimulatedSite, keys: tuple[PublicKey, ...], threshold: int
) -> None:
    before = desk.contents()
    with pytest.raises(TermsRefused):
        desk.issue(site, terms=replace(TERMS, delegate_config=keys, delegate_threshold=threshold))
    assert desk.contents() == before


def test_the_vendors_own_keys_and_revoked_ones_are_no_officers(desk: VendorsDesk, site: SimulatedSite) -> None:
    own = desk.trust.keys[desk.trust.roles["config"].keys[0]].key
    with pytest.raises(TermsRefused, match="vendor's own"):
        desk.issue(site, terms=replace(TERMS, delegate_config=(own,)))
    desk.rotate(revoke_keys=(ALICE.public_key.keyid,))
    with pytest.raises(TermsRefused, match="revoked"):
        desk.issue(site, terms=replace(TERMS, delegate_config=(ALICE.public_key,)))


def test_officers_are_named_by_their_public_key_files(shell: Shell) -> None:
    sealed = seal(ALICE, words(), random=shell.desk.random, limits=CHEAP)
    shell.desk.file("alice.key", sealed).chmod(0o600)
    shown = shell.json_plain("key", "show", "alice.key", "--out", "alice.pub")
    assert (shown["key"], shown["kind"]) == (ALICE.public_key.keyid, "vendor-key")
    handed_on = (shell.desk.folder / "alice.pub").read_bytes()
    assert b"sealed" not in handed_on
    assert public_half(read_key(handed_on)) == handed_on == public_half(read_key(sealed))
    spelt = f"ed25519:{shell.json_plain('key', 'show', 'alice.pub')['public']}"
    assert public_key_of(spelt) == ALICE.public_key
    shell.desk.file("bob.pub", public_half(read_key(seal(BOB, words(), random=shell.desk.random, limits=CHEAP))))
    options = "--delegate-config alice.pub --delegate-config bob.pub --delegate-threshold 2 --bind-hardware 1"
    shell.issue(Plant(), *options.split())
    found = licence(shell.desk).config_delegation
    assert found is not None
    assert [record.key for record in found.keys] == [ALICE.public_key, BOB.public_key]
    assert found.threshold == 2


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"{}", b'{"kind":"vendor-public-key"}', b'{"kind":["vendor-public-key"]}']
    + [
        b'{"kind":"vendor-public-key","schema":1,"algorithm":"%b","label":"x","public":"%b"}' % pair
        for pair in ((b"rsa", b"AAAA"), (b"ed25519", b"AAAA"), (b"ed25519", b"A" * 43 + b"="), (b"sm2", b"not base64"))
    ],
)
def test_what_is_no_key_is_refused(text: bytes) -> None:
    with pytest.raises(KeyDamaged):
        read_key(text)
