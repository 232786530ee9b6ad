"""An officer's key is on disk only under a passphrase, only as it was written, and only its owner's."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import OfficerKeyRefused
from appliance.officer.signing_key import (
    KIND,
    look_at,
    new_officer_key,
    open_officer_key,
    public_record,
    unsealed,
)
from appliance.operations.officer import create_officer_key
from licensing.algorithms import digest
from licensing.envelope import sign, verify
from licensing.errors import KeyFileDamaged, Malformed, PassphraseWrong, Refusal
from licensing.keyfile import PublicKeyFile, read_open_part
from licensing.strict_json import canonical
from licensing.vendor import keyring
from licensing.vendor.errors import KeyDamaged
from licensing.vendor.key_files import public_key_of, read_key
from media.errors import AlreadyThere, Exposed, NotARegularFile, NotFound
from media.passphrase import Passphrase
from tests.appliance.officer.officers import CHEAP, WORDS, in_memory, key_file, opened, repeatable, words

ALICE = in_memory("alice")
FILE = ALICE.sealed(words(), random=repeatable("file"), limits=CHEAP)
SEED = repeatable("alice")(32)


def put(folder: Path, data: bytes, mode: int = 0o600) -> Path:
    file = folder / "alice.key"
    file.write_bytes(data)
    file.chmod(mode)
    return file


def rewritten(**members: object) -> bytes:
    """The file with other members and a checksum that fits: what somebody who knows the format can do."""
    document = json.loads(FILE) | members
    del document["checksum"]
    return canonical(document | {"checksum": digest(canonical(document))}) + b"\n"


def never() -> Passphrase:
    raise AssertionError("The passphrase was asked for.")


def test_a_key_comes_back_out_of_its_file_and_signs(tmp_path: Path) -> None:
    file = key_file(tmp_path, "alice")
    assert file.stat().st_mode & 0o777 == 0o600
    key = opened(file)
    assert (key.label, key.public_key) == ("alice", ALICE.public_key)
    assert look_at(file).public_key == ALICE.public_key
    envelope = sign("application/x", b"body", [key])
    assert verify(envelope, payload_type="application/x", keys=[ALICE.public_key], threshold=1).body == b"body"


def test_the_public_half_is_what_the_vendor_takes_for_an_officer(tmp_path: Path) -> None:
    file = key_file(tmp_path, "alice")
    public = tmp_path / "alice.pub"
    public.write_bytes(public_record(look_at(file)).to_bytes())
    read = read_key(public.read_bytes())
    assert isinstance(read, PublicKeyFile)
    assert (read.role, read.label) == ("config", "alice")
    assert public_key_of(str(public)) == ALICE.public_key
    assert b"sealed" not in public.read_bytes()


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80])
def test_every_single_byte_that_differs_is_damage(flip: int) -> None:
    for place in range(len(FILE)):
        changed = FILE[:place] + bytes([FILE[place] ^ flip]) + FILE[place + 1 :]
        with pytest.raises(KeyFileDamaged):
            read_open_part(changed, KIND)


@pytest.mark.parametrize("data", [FILE[:-1], FILE[:100], FILE + b"\n", b"", b"{}", b"[]", b"\xff"])
def test_a_file_that_was_cut_short_or_goes_on_is_damage(tmp_path: Path, data: bytes) -> None:
    file = put(tmp_path, data)
    with pytest.raises(KeyFileDamaged) as refused:
        open_officer_key(file, never)
    assert refused.value.where == str(file)


@pytest.mark.parametrize("secret", [WORDS + b" ", WORDS[:-1], WORDS.upper()])
def test_another_passphrase_does_not_open_it(tmp_path: Path, secret: bytes) -> None:
    with pytest.raises(PassphraseWrong) as refused:
        open_officer_key(put(tmp_path, FILE), lambda: Passphrase(secret))
    assert (refused.value.code, refused.value.exit_code) == ("passphrase_wrong", 18)


@pytest.mark.parametrize(
    "members",
    [{"label": "bob"}, {"role": None}, {"role": "root"}, {"public": "A" * 43 + "="}],
    ids=["label", "no role", "another role", "public"],
)
def test_a_seed_cannot_be_passed_off_as_another_persons(tmp_path: Path, members: dict[str, Any]) -> None:
    with pytest.raises((KeyFileDamaged, OfficerKeyRefused)):
        opened(put(tmp_path, rewritten(**members)))


def test_another_officers_public_key_on_a_seed_is_damage(tmp_path: Path) -> None:
    public = base64.b64encode(in_memory("bob").public_key.public).decode()
    with pytest.raises(KeyFileDamaged, match="public part is not the one"):
        opened(put(tmp_path, rewritten(public=public)))


@pytest.mark.parametrize("limits", [{"mem": 2**40}, {"ops": 1000}, {"mem": 1}, {"ops": 0}])
def test_a_file_cannot_ask_for_all_memory_or_all_day(tmp_path: Path, limits: dict[str, int]) -> None:
    data = rewritten(kdf=json.loads(FILE)["kdf"] | limits)
    with pytest.raises(KeyFileDamaged):
        open_officer_key(put(tmp_path, data), never)


@pytest.mark.parametrize("place", [0, 24, 60, -1])
def test_a_box_that_was_changed_does_not_open_even_with_a_fitting_checksum(tmp_path: Path, place: int) -> None:
    sealed = bytearray(base64.b64decode(json.loads(FILE)["sealed"]))
    sealed[place] ^= 1
    data = rewritten(sealed=base64.b64encode(bytes(sealed)).decode())
    with pytest.raises(PassphraseWrong):
        opened(put(tmp_path, data))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601, 0o644])
def test_a_file_that_others_can_reach_is_refused_before_the_passphrase(tmp_path: Path, mode: int) -> None:
    with pytest.raises(Exposed) as refused:
        open_officer_key(put(tmp_path, FILE, mode), never)
    assert (refused.value.code, refused.value.exit_code) == ("secret_exposed", 95)
    assert look_at(tmp_path / "alice.key").label == "alice"


def test_a_link_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    put(tmp_path, FILE)
    (tmp_path / "link").symlink_to(tmp_path / "alice.key")
    for name, expected in (("link", NotARegularFile), ("none", NotFound)):
        with pytest.raises(expected):
            open_officer_key(tmp_path / name, never)


def test_neither_side_opens_the_others_keys(tmp_path: Path) -> None:
    vendors = keyring.new_key("config", "alice", "ed25519", repeatable("vendor"))
    data = keyring.seal(vendors, words(), random=repeatable("file"), limits=CHEAP)
    with pytest.raises(OfficerKeyRefused, match="'vendor-key'") as refused:
        open_officer_key(put(tmp_path, data), never)
    assert refused.value.exit_code == 64
    with pytest.raises(KeyDamaged, match="'officer-key'"):
        keyring.unseal(FILE, words())


def test_the_secret_shows_nowhere(tmp_path: Path) -> None:
    spellings = [SEED, SEED.hex().encode(), base64.b64encode(SEED), repr(SEED).encode(), WORDS]
    key = unsealed(read_open_part(FILE, KIND), words(), where="alice.key")
    texts = [repr(key), str(key), f"{[key]}", repr(look_at(put(tmp_path, FILE))), repr(words())]
    for data in (FILE, public_record(look_at(tmp_path / "alice.key")).to_bytes(), *(text.encode() for text in texts)):
        assert not any(spelling in data for spelling in spellings)
    assert not hasattr(key, "__dict__")
    assert key.sign(b"x") == ALICE.sign(b"x")


def test_two_files_of_one_key_share_neither_salt_nor_nonce() -> None:
    other = json.loads(ALICE.sealed(words(), random=repeatable("another"), limits=CHEAP))
    first = json.loads(FILE)
    assert other["kdf"]["salt"] != first["kdf"]["salt"]
    assert other["sealed"][:32] != first["sealed"][:32]


def test_a_key_is_never_made_over_another_file_nor_asked_about_in_vain(tmp_path: Path) -> None:
    mine = put(tmp_path, b"mine")
    for out, expected in ((mine, AlreadyThere), (tmp_path / "none" / "alice.key", NotFound)):
        with pytest.raises(expected):
            create_officer_key(out, "alice", never, random=repeatable("x"), limits=CHEAP)
    assert mine.read_bytes() == b"mine"


@pytest.mark.parametrize("label", ["", "a\nb", "x" * 200, "\x1b[31m", "\u202e"])
def test_a_label_that_no_key_can_have_is_refused_before_the_passphrase(tmp_path: Path, label: str) -> None:
    with pytest.raises(Malformed) as refused:
        new_officer_key(label, repeatable("x"))
    assert "label" in refused.value.message
    with pytest.raises(Refusal):
        create_officer_key(tmp_path / "k", label, never, random=repeatable("x"), limits=CHEAP)
    assert not list(tmp_path.iterdir())
