"""Root keys that never meet: a version of the trust signed by several people, one after the other."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from licensing.errors import SignatureRefused
from licensing.trust import advance, pin
from licensing.vendor.errors import DocumentUnfinished, KeyMissing
from licensing.vendor.operations_trust import adopt_trust
from media.errors import AlreadyThere
from tests.licensing.vendor.test_trust_rotation import walked
from tests.licensing.vendor.vendors_desk import VendorsDesk, vendors_desk
from tests.licensing.vendor.vendors_shell import Shell

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
