"""Versions that are no next version of the trust, and rotations that make none."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from licensing.envelope import sign, to_json
from licensing.errors import SerialConflict, SerialRefused
from licensing.licence import open_licence
from licensing.trust import Trust
from licensing.vendor.errors import PassphraseWrong, RotationRefused, TrustUnsettled
from licensing.vendor.keyring import new_key, unseal
from licensing.vendor.operations_trust import adopt_trust
from licensing.vendor.rotate import Rotation, propose
from media.errors import MediumFull
from media.passphrase import Passphrase
from tests.licensing.vendor.simulated_site import SimulatedSite
from tests.licensing.vendor.test_trust_rotation import walked
from tests.licensing.vendor.vendors_desk import TERMS, VendorsDesk, repeatable, vendors_desk, words
from tests.licensing.vendor.vendors_shell import Shell

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
