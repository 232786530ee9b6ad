"""The vendor's keys change from version to version, and a site follows one step at a time."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licensing.document import PAYLOAD_TYPES
from licensing.envelope import parse, sign, to_json
from licensing.errors import Refusal, SerialRefused, SignatureRefused
from licensing.licence import open_licence
from licensing.ratchet import Arrival, Floor, arrive
from licensing.receipt import open_receipt
from licensing.trust import RoleName, Trust, advance, pin
from licensing.vendor.describe import difference
from licensing.vendor.errors import KeyMissing
from licensing.vendor.keyring import new_key, seal, unseal, write_key
from licensing.vendor.rotate import Rotation, propose
from media.errors import MediumFull
from tests.licensing.vendor.simulated_site import SimulatedSite
from tests.licensing.vendor.vendors_desk import CHEAP, VendorsDesk, repeatable, vendors_desk, words
from tests.licensing.vendor.vendors_shell import Shell

CONFIG = b"models: []\n"


def walked(desk: VendorsDesk) -> list[Trust]:
    """What a site believes, given every file in order."""
    chain = [pin(desk.home.trust_file.read_bytes()).claims]
    for version in itertools.count(2):
        file = desk.home.version_file(version)
        if not file.exists():
            return chain
        chain.append(advance(chain[-1], file.read_bytes()).claims)
    raise AssertionError


# -- as a site would walk it -------------------------------------------------------------------------------------------


def test_a_site_two_versions_behind_takes_each_step_in_order(desk: VendorsDesk) -> None:
    first = pin(desk.home.trust_file.read_bytes()).claims
    for _ in range(2):
        assert desk.rotate(new=(("licence", "ed25519"),)).adopted
    second, third = (desk.home.version_file(version).read_bytes() for version in (2, 3))
    with pytest.raises(SerialRefused, match="version 2 must come next"):
        advance(first, third)
    at_two = advance(first, second).claims
    at_three = advance(at_two, third).claims
    assert at_three == desk.trust
    for stale in (second, third, desk.home.trust_file.read_bytes()):
        with pytest.raises(SerialRefused):
            advance(at_three, stale)
    with pytest.raises(SerialRefused):
        pin(second)


def test_a_retired_root_no_longer_signs_the_next_version(desk: VendorsDesk) -> None:
    old = unseal((desk.home.keys / "root-1.json").read_bytes(), words())
    desk.rotate(new=(("root", "ed25519"),), retire=(("root", "root-1"),))
    forged = propose(desk.trust, Rotation(revoke_licences=("lic-0001",)), now=desk.now)
    with pytest.raises(SignatureRefused):
        advance(desk.trust, to_json(sign(Trust.payload_type(), forged.to_bytes(), [old])))
    assert desk.rotate(new=(("time", "ed25519"),)).adopted, "the new root key alone carries the next version"
    assert walked(desk)[-1] == desk.trust


def test_a_leaked_config_key_is_shut_out_and_its_serial_locks_nothing(
    desk: VendorsDesk, licensed: SimulatedSite
) -> None:
    leaked = unseal((desk.home.keys / "config-1.json").read_bytes(), words())
    body = CONFIG + b'kind: config\nschema: 1\nserial: 99999\nissued_at: "2026-04-01T12:00:00Z"\nsite: "plant-7"\n'
    theirs = to_json(sign(PAYLOAD_TYPES["config"], body, [leaked]))
    at_site = walked(desk)[-1]
    verified = at_site.verify(parse(theirs), role="config", payload_type=PAYLOAD_TYPES["config"])
    floor = Floor("config", at_site.key_epoch("config"), 99999, verified.digest)

    done = desk.rotate(new=(("config", "ed25519"),), revoke_keys=("config-1",))
    assert done.adopted
    at_site = walked(desk)[-1]
    assert at_site.key_epoch("config") == 2
    assert [role for role in at_site.roles if at_site.roles[role].epoch == 2] == ["config"], "no other role's"
    with pytest.raises(SignatureRefused):
        at_site.verify(parse(theirs), role="config", payload_type=PAYLOAD_TYPES["config"])

    signed = desk.sign(CONFIG)
    repaired = at_site.verify(parse(signed.file.read_bytes()), role="config", payload_type=PAYLOAD_TYPES["config"])
    arrival = arrive(
        floor,
        role="config",
        key_epoch=at_site.key_epoch("config"),
        serial=signed.serial,
        digest=repaired.digest,
    )
    assert (arrival, signed.serial) == (Arrival.NEW, 1)
    assert licensed.site == "plant-7"


def test_everything_is_signed_by_what_the_newest_trust_names(desk: VendorsDesk, site: SimulatedSite) -> None:
    before = desk.trust
    new = tuple((role, "ed25519") for role in ("licence", "config", "receipt"))
    desk.rotate(new=new, retire=tuple((role, f"{role}-1") for role, _ in new))
    desk.issue(site)
    licence = (desk.folder / "licence.json").read_bytes()
    ((_, path),) = desk.take(site.seal()).receipts
    config = desk.sign(CONFIG).file.read_bytes()
    open_licence(licence, desk.trust)
    open_receipt(path.read_bytes(), desk.trust, site="plant-7", epoch=1)
    desk.trust.verify(parse(config), role="config", payload_type=PAYLOAD_TYPES["config"])
    for attempt in (
        lambda: open_licence(licence, before),
        lambda: open_receipt(path.read_bytes(), before, site="plant-7", epoch=1),
    ):
        with pytest.raises(SignatureRefused):
            attempt()


def test_a_receipt_asked_for_again_is_signed_by_the_keys_of_today(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    files = licensed.days(2)
    ((_, path),) = desk.take(*files).receipts
    old = path.read_bytes()
    path.unlink()
    desk.rotate(new=(("receipt", "ed25519"),), revoke_keys=("receipt-1",))
    ((_, path),) = desk.take(*files).receipts
    claims = open_receipt(path.read_bytes(), desk.trust, site="plant-7", epoch=1).claims
    assert (claims.seq, claims.serial, claims.head) == (2, 2, licensed.previous)
    assert path.read_bytes() != old
    before = desk.contents()
    assert desk.take(*files).receipts[0][1] == path
    assert desk.contents() == before, "from then on it is the same again"


def test_a_licence_lost_before_its_key_retired_is_issued_anew(
    desk: VendorsDesk, site: SimulatedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise MediumFull("No room is left.")

    with monkeypatch.context() as patched:
        patched.setattr("licensing.vendor.operations.write_document", full)
        with pytest.raises(MediumFull):
            desk.issue(site)
    desk.rotate(new=(("licence", "ed25519"),), retire=(("licence", "licence-1"),))
    desk.now = desk.now.replace(hour=1)
    assert desk.issue(site).serial == 2
    open_licence((desk.folder / "licence.json").read_bytes(), desk.trust)


def test_a_home_without_the_newest_key_says_so(desk: VendorsDesk, site: SimulatedSite) -> None:
    desk.rotate(new=(("licence", "ed25519"),), retire=(("licence", "licence-1"),))
    (desk.home.keys / "licence-2.json").unlink()
    before = desk.contents()
    with pytest.raises(KeyMissing, match="trust version 2"):
        desk.issue(site)
    assert desk.contents() == before


# -- in words ----------------------------------------------------------------------------------------------------------


def test_the_difference_names_every_change(desk: VendorsDesk) -> None:
    before = desk.trust
    after = propose(
        before,
        Rotation(
            add=(("config", new_key("config", "2", "sm2", repeatable("sm2")).public_key),),
            at_least=(("config", "sm2", 1),),
            thresholds=(("config", 2),),
            revoke_keys=("0" * 64,),
            revoke_licences=("lic-1",),
        ),
        now=desk.now,
    )
    assert len(difference(before, after)) == 6
    assert difference(before, before) == ()
    undone = difference(after, before)
    assert sum("NO LONGER revoked" in each for each in undone) == 2
    gone = after.model_copy(update={"roles": {k: v for k, v in after.roles.items() if k != "time"}, "vendor": "Other"})
    assert any("Role time is gone" in each for each in difference(after, gone))
    assert any("vendor's name" in each for each in difference(after, gone))


def test_show_names_versions_keys_and_labels(shell: Shell) -> None:
    shell.desk.now = shell.desk.now.replace(day=2)
    made = shell.json("trust", "rotate", "--new-key", "config", "--retire-key", "config=1", "--kdf", "interactive")
    assert (made["version"], made["adopted"], [Path(each).name for each in made["keys"]]) == (
        2,
        True,
        ["config-2.json"],
    )
    shown = shell.json_plain("trust", "show")
    assert [each["version"] for each in shown["versions"]] == [1, 2]
    assert shown["versions"][1]["digest"] == made["digest"]
    config = shown["roles"]["config"]
    assert (config["epoch"], config["threshold"], [each["label"] for each in config["keys"]]) == (2, 1, ["config-2"])
    text = shell.run("trust", "show").stdout
    assert config["keys"][0]["key"] in text
    assert "Version 2" in text


@pytest.mark.parametrize(
    "option",
    [
        ("--new-key", "nobody"),
        ("--new-key", "config:rsa"),
        ("--add-key", "config"),
        ("--threshold", "root=x"),
        ("--threshold", "root=0"),
        ("--threshold", "root=³"),
        ("--at-least", "root=1"),
        ("--at-least", "root:rsa=1"),
        ("--retire-key", "nobody=1"),
    ],
)
def test_a_misspelt_rotation_is_exit_two(shell: Shell, option: tuple[str, str]) -> None:
    assert shell.run("trust", "rotate", *option, *shell.words).exit_code == 2


# -- any rotations -----------------------------------------------------------------------------------------------------

roles = st.sampled_from(get_args(RoleName))
changes = st.fixed_dictionaries(
    {},
    optional={
        "new": st.lists(st.tuples(roles, st.just("ed25519")), max_size=2).map(tuple),
        "retire": st.lists(st.tuples(roles, st.integers(1, 3).map(str)), max_size=2).map(tuple),
        "revoke_keys": st.lists(st.builds("{}-{}".format, roles, st.integers(1, 3)), max_size=1).map(tuple),
        "thresholds": st.lists(st.tuples(roles, st.integers(1, 2)), max_size=1).map(tuple),
    },
)


@settings(max_examples=15, deadline=None)
@given(st.lists(changes, min_size=1, max_size=5))
def test_whatever_is_rotated_a_site_that_walks_the_chain_is_where_the_home_is(sequence: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        desk = vendors_desk(Path(folder))
        for asked in sequence:
            try:
                desk.rotate(**asked)
            except Refusal:
                continue
        chain = walked(desk)
        assert chain[-1] == desk.trust
        assert chain == [each.claims for each in desk.home.trusts()]
        for before, after in itertools.pairwise(chain):
            for name, role in after.roles.items():
                same = set(role.keys) == set(before.roles[name].keys)
                assert role.epoch == before.roles[name].epoch + (not same)
            assert set(before.revoked.keys) <= set(after.revoked.keys)
        named = [keyid for role in chain[-1].roles.values() for keyid in role.keys]
        assert len(named) == len(set(named))


def test_a_key_brought_in_from_a_file_signs_once_its_file_is_in_the_home(
    desk: VendorsDesk, site: SimulatedSite
) -> None:
    alice = new_key(None, "alice", "ed25519", repeatable("alice"))
    sealed = seal(alice, words(), random=desk.random, limits=CHEAP)
    path = desk.file("alice.key", sealed)
    desk.rotate(add=(("licence", str(path)),), retire=(("licence", "licence-1"),))
    with pytest.raises(KeyMissing):
        desk.issue(site)
    write_key(desk.home.keys, sealed).rename(desk.home.keys / "licence-alice.json")
    desk.issue(site)
    verified = open_licence((desk.folder / "licence.json").read_bytes(), desk.trust)
    assert verified.signers == (alice.public_key.keyid,)
