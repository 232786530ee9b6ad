"""The vendor's private keys are on disk only under a passphrase, and only as they were written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.pwhash import argon2id

from licensing.algorithms import digest
from licensing.envelope import sign, verify
from licensing.errors import Refusal
from licensing.keyfile import KDF, MODERATE
from licensing.strict_json import canonical
from licensing.trust import RoleName
from licensing.vendor.errors import HomeMissing, KeyDamaged, KeyMissing, PassphraseWrong
from licensing.vendor.keyring import VendorKey, read_open_part, seal, unseal, write_key
from licensing.vendor.signers import load_signers
from media.errors import AlreadyThere, Exposed
from media.passphrase import Passphrase
from tests.licensing.vendor.vendors_desk import CHEAP, WORDS, VendorsDesk, repeatable, vendors_desk, words

SEED = bytes(range(32))
KEY = VendorKey("licence", "1", SEED)
FILE = seal(KEY, words(), random=repeatable("key file"), limits=CHEAP)


def rewritten(**members: object) -> bytes:
    """The key file with other members and a checksum that fits: what somebody who knows the format can do."""
    document = json.loads(FILE) | members
    del document["checksum"]
    return canonical(document | {"checksum": digest(canonical(document))}) + b"\n"


def test_a_key_comes_back_out_of_its_file() -> None:
    again = unseal(FILE, words())
    assert (again.role, again.label, again.public_key) == ("licence", "1", KEY.public_key)
    envelope = sign("application/x", b"body", [again])
    assert verify(envelope, payload_type="application/x", keys=[KEY.public_key], threshold=1).body == b"body"


def test_the_open_part_says_whose_key_it_is_without_a_passphrase() -> None:
    part = read_open_part(FILE)
    assert part.public_key == KEY.public_key
    assert (part.kdf.ops, part.kdf.mem) == (CHEAP.ops, CHEAP.mem)


def test_another_passphrase_does_not_open_it() -> None:
    with pytest.raises(PassphraseWrong) as refused:
        unseal(FILE, Passphrase(WORDS + b" "))
    assert refused.value.exit_code == 94


def test_every_single_byte_that_differs_is_damage() -> None:
    for place in range(len(FILE)):
        for changed in (FILE[place] ^ 0x01, FILE[place] ^ 0x80):
            with pytest.raises(KeyDamaged):
                unseal(FILE[:place] + bytes([changed]) + FILE[place + 1 :], words())


@settings(max_examples=50, deadline=None)
@given(st.integers(0, len(FILE) - 1))
def test_a_file_that_was_cut_short_or_goes_on_is_damage(place: int) -> None:
    for data in (FILE[:place], FILE + FILE[:place] + b"\n"):
        with pytest.raises(KeyDamaged):
            unseal(data, words())


@pytest.mark.parametrize(
    "members",
    [
        {"role": "receipt"},
        {"label": "2"},
        {
            "public": json.loads(seal(VendorKey("licence", "1", bytes(32)), words(), random=bytes, limits=CHEAP))[
                "public"
            ]
        },
    ],
    ids=["role", "label", "public"],
)
def test_a_seed_cannot_be_passed_off_under_another_role_label_or_public_key(members: dict[str, object]) -> None:
    with pytest.raises(KeyDamaged, match="public part is not the one"):
        unseal(rewritten(**members), words())


@pytest.mark.parametrize("place", [0, 24, 60, -1])
def test_a_box_that_was_changed_does_not_open_even_with_a_fitting_checksum(place: int) -> None:
    import base64

    sealed = bytearray(base64.b64decode(json.loads(FILE)["sealed"]))
    sealed[place] ^= 1
    with pytest.raises(PassphraseWrong):
        unseal(rewritten(sealed=base64.b64encode(bytes(sealed)).decode()), words())


@pytest.mark.parametrize("limits", [{"mem": 2**40}, {"ops": 1000}, {"mem": 1}, {"ops": 0}])
def test_a_file_cannot_ask_for_all_memory_or_all_day(limits: dict[str, int]) -> None:
    with pytest.raises(KeyDamaged):
        unseal(rewritten(kdf=json.loads(FILE)["kdf"] | limits), words())


def test_the_seed_shows_nowhere(tmp_path: Path) -> None:
    import base64

    path = write_key(tmp_path, FILE)
    spellings = [SEED, SEED.hex().encode(), base64.b64encode(SEED), repr(SEED).encode(), WORDS]
    for text in (repr(KEY), str(KEY), f"{KEY}", repr([KEY]), repr(words()), str(words())):
        assert not any(spelling in text.encode() for spelling in spellings)
    assert not any(spelling in path.read_bytes() for spelling in spellings)


def test_moderate_is_the_cost_unless_another_is_asked_for() -> None:
    assert (MODERATE.ops, MODERATE.mem) == (argon2id.OPSLIMIT_MODERATE, argon2id.MEMLIMIT_MODERATE)
    assert seal.__kwdefaults__ == {"limits": MODERATE}
    assert [KDF[name].mem for name in ("interactive", "moderate", "sensitive")] == [64 << 20, 256 << 20, 1 << 30]


def test_two_files_of_one_key_share_neither_salt_nor_nonce() -> None:
    other = json.loads(seal(KEY, words(), random=repeatable("another"), limits=CHEAP))
    first = json.loads(FILE)
    assert other["kdf"]["salt"] != first["kdf"]["salt"]
    assert other["sealed"][:32] != first["sealed"][:32]


def test_a_key_file_is_its_owners_alone_and_never_overwritten(tmp_path: Path) -> None:
    path = write_key(tmp_path, FILE)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(AlreadyThere):
        write_key(tmp_path, seal(KEY, words(), random=repeatable("another"), limits=CHEAP))
    assert path.read_bytes() == FILE


# -- the folder of keys ------------------------------------------------------------------------------------------------


def test_a_role_gets_as_many_keys_as_its_threshold(tmp_path: Path) -> None:
    desk = vendors_desk(tmp_path, root_keys=3, root_threshold=2)
    assert len(load_signers(desk.home.keys, desk.trust, "root", desk.unlock)) == 2
    assert [key.role for key in load_signers(desk.home.keys, desk.trust, "receipt", desk.unlock)] == ["receipt"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_key_file_that_others_can_reach_is_not_used(desk: VendorsDesk, mode: int) -> None:
    (desk.home.keys / "licence-1.json").chmod(mode)
    with pytest.raises(Exposed) as refused:
        load_signers(desk.home.keys, desk.trust, "licence", desk.unlock)
    assert (refused.value.code, refused.value.exit_code) == ("secret_exposed", 95)


@pytest.mark.parametrize("mode", [0o750, 0o701, 0o770])
def test_nor_is_one_in_a_folder_that_others_can_reach(desk: VendorsDesk, mode: int) -> None:
    desk.home.keys.chmod(mode)
    with pytest.raises(Exposed):
        load_signers(desk.home.keys, desk.trust, "licence", desk.unlock)


def test_too_few_keys_for_the_threshold_are_those_that_are_here_and_none_is_a_refusal(tmp_path: Path) -> None:
    desk = vendors_desk(tmp_path, root_keys=3, root_threshold=2)
    for number in (1, 2):
        (desk.home.keys / f"root-{number}.json").unlink()
    assert [key.label for key in load_signers(desk.home.keys, desk.trust, "root", desk.unlock)] == ["3"]
    (desk.home.keys / "root-3.json").unlink()
    with pytest.raises(KeyMissing, match="0 of the 2"):
        load_signers(desk.home.keys, desk.trust, "root", desk.unlock)


def test_a_key_that_the_trust_document_does_not_name_is_passed_over(desk: VendorsDesk) -> None:
    (desk.home.keys / "licence-1.json").unlink()
    write_key(desk.home.keys, FILE)
    with pytest.raises(KeyMissing):
        load_signers(desk.home.keys, desk.trust, "licence", desk.unlock)


def test_one_role_key_renamed_to_another_is_passed_over(desk: VendorsDesk) -> None:
    (desk.home.keys / "licence-1.json").unlink()
    (desk.home.keys / "receipt-1.json").rename(desk.home.keys / "licence-1.json")
    with pytest.raises(KeyMissing):
        load_signers(desk.home.keys, desk.trust, "licence", desk.unlock)


def test_a_missing_folder_and_a_damaged_file_are_refusals_with_a_remedy(desk: VendorsDesk) -> None:
    path = desk.home.keys / "licence-1.json"
    path.write_bytes(path.read_bytes().replace(b"licence", b"receipt"))
    refusals: list[Refusal] = []
    for folder in (desk.home.keys, desk.folder / "nowhere"):
        with pytest.raises(Refusal) as refused:
            load_signers(folder, desk.trust, "licence", desk.unlock)
        refusals.append(refused.value)
    assert [type(each) for each in refusals] == [KeyDamaged, HomeMissing]
    assert all(each.remedy and each.where for each in refusals)


def test_each_role_has_keys_of_its_own(tmp_path: Path) -> None:
    trust = vendors_desk(tmp_path, root_keys=2).trust
    listed = [keyid for role in trust.roles.values() for keyid in role.keys]
    assert len(listed) == len(set(listed)) == 7
    roles: set[RoleName] = {"root", "licence", "config", "receipt", "time", "release"}
    assert set(trust.roles) == roles
