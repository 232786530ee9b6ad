"""The vendor's keys change from version to version, and a site follows one step at a time."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licensing.document import PAYLOAD_TYPES
from licensing.envelope import parse, sign, to_json
from licensing.errors import Refusal, SerialConflict, SerialRefused, SignatureRefused
from licensing.licence import open_licence
from licensing.ratchet import Arrival, Floor, arrive
from licensing.receipt import open_receipt
from licensing.trust import RoleName, Trust, advance, pin
from licensing.vendor.describe import difference
from licensing.vendor.errors import DocumentUnfinished, KeyMissing, PassphraseWrong, RotationRefused, TrustUnsettled
from licensing.vendor.keyring import new_key, seal, unseal, write_key
from licensing.vendor.operations_trust import adopt_trust
from licensing.vendor.rotate import Rotation, propose
from media.errors import AlreadyThere, MediumFull
from media.passphrase import Passphrase
from tests.licensing.vendor.simulated_site import SimulatedSite
from tests.licensing.vendor.vendors_desk import CHEAP, TERMS, VendorsDesk, repeatable, vendors_desk, words
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


# -- several root keys -------------------------------------------------------------------------------------------------


@pytest.fixture
def apart(tmp_path: Path) -> tuple[VendorsDesk, list[Path]]:
    """A home whose three root keys (two of them must sign) lie on three machines: here, and in two other folders."""
    desk = vendors_desk(tmp_path, root_keys=3, root_threshold=2)
    keys: list[Path] = []
    for number in (2, 3):
        machine = tmp_path / f"machine-{number}"
        machine.mkdir(mode=0o700)
        shutil.move(desk.home.keys / f"root-{number}.json", machine / "root.key")
        keys.append(machine / "root.key")
    return desk, keys


def test_root_keys_on_three_machines_meet_the_threshold_one_after_the_other(
    apart: tuple[VendorsDesk, list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, (second, third) = apart
    first = pin(desk.home.trust_file.read_bytes()).claims
    proposed = desk.rotate(new=(("root", "ed25519"),), retire=((None, "root-1"),), thresholds=(("root", 3),))
    assert (proposed.adopted, proposed.file.name) == (False, "trust-2.proposed.json")
    assert [(each.version, each.missing) for each in proposed.quorums] == [(1, 1), (2, 2)]
    assert desk.trust == first, "a proposal binds nobody"
    with pytest.raises(DocumentUnfinished, match="1 more of role root as trust version 1"):
        adopt_trust(desk.home, proposed.file, now=desk.now)
    with pytest.raises(SignatureRefused):
        advance(first, proposed.file.read_bytes())

    shell = Shell(desk)
    for key in (second, third):
        monkeypatch.chdir(key.parent)
        carried = key.parent / "carried.json"
        shutil.copy(proposed.file, carried)
        elsewhere = Shell(replace(desk, home=type(desk.home)(key.parent / "no home")))
        elsewhere.words = shell.words
        printed = elsewhere.json("sign", "add", carried, "--key", key, "--yes")
        assert (printed["complete"], printed["changes"]) == (None, None), "nothing but the key and the file is here"
        shutil.copy(carried, proposed.file)
    status = shell.json_plain("sign", "status", proposed.file)
    assert (status["complete"], [each["missing"] for each in status["quorums"]]) == (True, [0, 0])

    adopted = shell.json_plain("trust", "adopt", proposed.file)
    assert (adopted["version"], adopted["adopted"]) == (2, True)
    assert Path(adopted["file"]).name == "trust-2.json"
    assert not proposed.file.exists()
    assert walked(desk)[-1] == desk.trust
    assert desk.trust.roles["root"].threshold == 3


def test_a_machine_that_knows_the_trust_is_shown_what_differs(
    apart: tuple[VendorsDesk, list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, (second, _) = apart
    proposed = desk.rotate(new=(("config", "ed25519"),), revoke_keys=("config-1",))
    shell = Shell(desk)
    arguments: tuple[str | Path, ...] = (
        "sign",
        "add",
        proposed.file,
        "--key",
        second,
        "--trust",
        desk.home.trust_file,
        *shell.words,
    )
    before = proposed.file.read_bytes()
    declined = shell.run(*arguments, stdin="n\n")
    assert declined.exit_code == 90
    assert proposed.file.read_bytes() == before
    assert "Nothing was signed" in declined.stderr
    agreed = shell.run(*arguments, stdin="y\n")
    assert agreed.exit_code == 0, agreed.output
    for sentence in ("joins", "leaves", "key epoch 2 after 1", "is revoked", proposed.digest):
        assert sentence in agreed.stdout
    assert "Role root, trust version 1: 2 of 2 have signed, complete." in agreed.stdout


def test_the_proposal_keeps_the_home_waiting(apart: tuple[VendorsDesk, list[Path]]) -> None:
    desk, _ = apart
    desk.rotate(new=(("config", "ed25519"),))
    keys = sorted(desk.home.keys.iterdir())
    with pytest.raises(AlreadyThere, match="proposed already"):
        desk.rotate(new=(("config", "ed25519"),))
    assert sorted(desk.home.keys.iterdir()) == keys, "no key is made for what is refused"


def test_a_home_without_any_root_key_cannot_begin_a_proposal(desk: VendorsDesk) -> None:
    (desk.home.keys / "root-1.json").unlink()
    with pytest.raises(KeyMissing, match="No root key"):
        desk.rotate(new=(("config", "ed25519"),))
    assert not (desk.home.keys / "config-2.json").exists()


# -- gaps, forks and ways back -----------------------------------------------------------------------------------------


def other_version(desk: VendorsDesk, current: Trust, **changes: Any) -> bytes:
    """What the root key would sign next after `current`."""
    root = unseal((desk.home.keys / "root-1.json").read_bytes(), words())
    successor = propose(current, Rotation(revoke_licences=("lic-x",)), now=desk.now).model_copy(update=changes)
    return to_json(sign(Trust.payload_type(), successor.to_bytes(), [root]))


def test_a_second_version_two_is_refused_with_both_digests(desk: VendorsDesk) -> None:
    first = desk.trust
    fork = desk.file("fork.json", other_version(desk, first))
    done = desk.rotate(new=(("config", "ed25519"),))
    with pytest.raises(SerialConflict) as refused:
        adopt_trust(desk.home, fork, now=desk.now)
    assert done.digest in refused.value.message
    assert "this is another version 2" in refused.value.message
    shell = Shell(desk)
    arguments = ("sign", "add", fork, "--key", "root-1", "--yes")
    assert shell.json(*arguments, code=16)["error"]["code"] == "serial_conflict", "and is not signed either"


def test_a_gap_is_refused(desk: VendorsDesk) -> None:
    gap = desk.file("gap.json", other_version(desk, desk.trust, serial=3))
    with pytest.raises(SerialRefused, match="version 2 must come next"):
        adopt_trust(desk.home, gap, now=desk.now)
    assert desk.trust.serial == 1


def test_a_version_whose_epoch_does_not_rise_is_refused_as_a_site_would(desk: VendorsDesk) -> None:
    key = new_key("config", "2", "ed25519", repeatable("rogue")).public_key
    successor = propose(desk.trust, Rotation(add=(("config", key),)), now=desk.now)
    role = successor.roles["config"].model_copy(update={"epoch": 1})
    forged = desk.file(
        "forged", other_version(desk, desk.trust, keys=successor.keys, roles={**successor.roles, "config": role})
    )
    with pytest.raises(SerialRefused, match="must never fall, and rise"):
        adopt_trust(desk.home, forged, now=desk.now)


def test_adopting_again_changes_nothing_and_writes_the_file_that_was_lost(desk: VendorsDesk) -> None:
    done = desk.rotate(new=(("config", "ed25519"),))
    data = done.file.read_bytes()
    copy = desk.file("copy.json", data)
    before = desk.contents()
    done.file.unlink()
    again = adopt_trust(desk.home, copy, now=desk.now)
    assert (again.digest, again.adopted) == (done.digest, True)
    assert (done.file.read_bytes(), desk.contents()) == (data, before)


def test_power_that_fails_between_memory_and_file_loses_nothing(
    desk: VendorsDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(path: Path, *_: object, **__: object) -> None:
        raise MediumFull("No room is left.", where=str(path))

    with monkeypatch.context() as patched:
        patched.setattr("licensing.vendor.operations_trust.write_document", fault)
        with pytest.raises(MediumFull):
            desk.rotate(new=(("config", "ed25519"),), retire=(("config", "config-1"),))
    assert desk.trust.serial == 2, "memory first"
    document = desk.contents()["trusts"][1][2]
    assert isinstance(document, bytes)
    file = desk.file("from the memory", document)
    assert adopt_trust(desk.home, file, now=desk.now).file.read_bytes() == document
    assert walked(desk)[-1] == desk.trust


def test_an_older_memory_does_not_sign_under_keys_that_were_replaced(desk: VendorsDesk, site: SimulatedSite) -> None:
    backup = desk.home.database.read_bytes()
    desk.rotate(new=(("licence", "ed25519"),), revoke_keys=("licence-1",))
    for leftover in desk.home.path.glob("vendor.db*"):
        leftover.unlink()
    desk.home.database.write_bytes(backup)
    desk.home.database.chmod(0o600)
    with pytest.raises(TrustUnsettled, match="up to version 1"):
        desk.issue(site)
    adopt_trust(desk.home, desk.home.version_file(2), now=desk.now)
    assert desk.issue(site).serial == 1


def test_another_version_one_in_the_home_is_noticed(desk: VendorsDesk, tmp_path: Path) -> None:
    desk.rotate(new=(("licence", "ed25519"),))
    (tmp_path / "other").mkdir()
    other = vendors_desk(tmp_path / "other", root_keys=2)
    shutil.copy(other.home.trust_file, desk.home.trust_file)
    with pytest.raises(TrustUnsettled):
        desk.home.trust()


def test_a_version_adopted_by_another_command_meanwhile_stops_this_one(
    desk: VendorsDesk, site: SimulatedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = desk.home.trusts()
    desk.rotate(new=(("licence", "ed25519"),), retire=(("licence", "licence-1"),))
    monkeypatch.setattr(type(desk.home), "trusts", lambda _: stale)
    with pytest.raises(TrustUnsettled, match="while this command ran"):
        desk.issue(site)


# -- what makes no trust -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"retire": (("config", "config-1"),)},
        {"revoke_keys": ("config-1",)},
        {"retire": (("config", "licence-1"),)},
        {"retire": ((None, "nobody"),)},
        {"retire": ((None, "1"),)},
        {"thresholds": (("config", 2),)},
        {"at_least": (("config", "sm2", 1),)},
        {"revoke_licences": ("lic-unheard-of",)},
        {"new": (("config", "ed25519"),), "thresholds": (("root", 2),)},
        {"revoke_keys": ("f" * 8,)},
    ],
    ids=str,
)
def test_a_change_that_makes_no_sense_changes_nothing(desk: VendorsDesk, asked: dict[str, Any]) -> None:
    before, keys = desk.contents(), sorted(desk.home.keys.iterdir())
    with pytest.raises(RotationRefused) as refused:
        desk.rotate(**asked)
    assert refused.value.exit_code == 97
    assert (desk.contents(), sorted(desk.home.keys.iterdir())) == (before, keys)
    assert desk.trust.serial == 1


def test_a_revoked_key_never_comes_back(desk: VendorsDesk) -> None:
    leaked = desk.trust.roles["config"].keys[0]
    desk.rotate(new=(("config", "ed25519"),), revoke_keys=(leaked,))
    assert desk.trust.revoked.keys == (leaked,)
    with pytest.raises(RotationRefused, match="never taken up again"):
        desk.rotate(add=(("licence", str(desk.home.keys / "config-1.json")),))
    with pytest.raises(RotationRefused, match="revoked already"):
        desk.rotate(new=(("config", "ed25519"),), revoke_keys=(leaked,))
    desk.rotate(new=(("time", "ed25519"),))
    assert desk.trust.revoked.keys == (leaked,), "and stays revoked in each version after it"


def test_one_key_has_one_role(desk: VendorsDesk) -> None:
    with pytest.raises(RotationRefused, match="a key has one role"):
        desk.rotate(add=(("config", str(desk.home.keys / "licence-1.json")),))


def test_a_licence_can_be_revoked(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    desk.rotate(revoke_licences=("lic-0001",))
    assert walked(desk)[-1].revoked.licences == ("lic-0001",)
    assert licensed.site == "plant-7"


def test_a_clock_behind_the_newest_version_is_found_out(desk: VendorsDesk) -> None:
    desk.rotate(new=(("config", "ed25519"),))
    desk.now = desk.now.replace(year=2025)
    with pytest.raises(RotationRefused, match="has not come yet"):
        desk.rotate(new=(("config", "ed25519"),))


def test_a_new_key_is_not_sealed_under_a_slip_of_the_hand(desk: VendorsDesk) -> None:
    """Even where the only root key has a passphrase of its own, or is in a token."""
    desk.ask = lambda: Passphrase(b"slip")
    with pytest.raises(PassphraseWrong):
        desk.rotate(new=(("config", "ed25519"),))
    assert not (desk.home.keys / "config-2.json").exists()


def test_sm2_joins_a_role_that_asks_for_both(desk: VendorsDesk, site: SimulatedSite) -> None:
    done = desk.rotate(
        new=(("root", "sm2"), ("licence", "sm2")),
        thresholds=(("root", 2), ("licence", 2)),
        at_least=(("root", "sm2", 1), ("root", "ed25519", 1), ("licence", "sm2", 1)),
    )
    assert done.adopted
    desk.issue(site)
    verified = open_licence((desk.folder / "licence.json").read_bytes(), walked(desk)[-1])
    assert {desk.trust.keys[keyid].algorithm for keyid in verified.signers} == {"ed25519", "sm2"}
    (desk.home.keys / "licence-2.json").unlink()
    unfinished = desk.issue(site, "b.json", terms=replace(TERMS, days=30))
    assert unfinished.missing == 1


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
