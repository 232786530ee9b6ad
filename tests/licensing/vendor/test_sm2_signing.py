"""Signing with SM2: the nonce above all; key files; and OpenSSL's command line as the other party, both ways."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licensing import sm2
from licensing.algorithms import ED25519, SM2, PublicKey, digest
from licensing.envelope import sign, verify
from licensing.sm2 import N, hashed
from licensing.strict_json import canonical
from licensing.vendor import sm2_signing
from licensing.vendor.errors import KeyDamaged, PassphraseWrong
from licensing.vendor.keyring import VendorKey, read_open_part, seal, unseal
from licensing.vendor.sm2_signing import Sm2PrivateKey, make_secret
from media.passphrase import Passphrase
from tests.licensing.vendor.vendors_desk import CHEAP, WORDS, repeatable, words

# GB/T 32918.5-2017, Annex A.
SECRET = bytes.fromhex("3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8")
PUBLIC = bytes.fromhex(
    "0409F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020"
    "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
)
MESSAGE = b"message digest"
NONCE = 0x59276E27_D506861A_16680F3A_D9C02DCC_EF3CC1FA_3CDBE4CE_6D54B80D_EAC1BC21
SIGNATURE = bytes.fromhex(
    "F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3"
    "B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA"
)


def key(secret: bytes = SECRET, random: Callable[[int], bytes] = os.urandom) -> Sm2PrivateKey:
    return Sm2PrivateKey(secret, random=random)


def nonces_first(monkeypatch: pytest.MonkeyPatch, *nonces: int) -> None:
    """From now on a draw begins with these."""
    real = sm2_signing._scalars

    def scalars(secret: bytes, e: int, fresh: bytes) -> Iterator[int]:
        # A nonce is followed by two masks.
        masks = real(secret, e, fresh)
        for nonce in nonces:
            yield from (nonce, next(masks), next(masks))
        yield from masks

    monkeypatch.setattr(sm2_signing, "_scalars", scalars)


# -- the algorithm -----------------------------------------------------------------------------------------------------


def test_the_standards_example_is_signed_as_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    example = key()
    assert example.public == PUBLIC
    nonces_first(monkeypatch, NONCE)
    assert example.sign(MESSAGE) == SIGNATURE


@pytest.mark.parametrize(
    ("fresh", "nonce"),
    [
        (b"", 0xF7D1EEA0_9846E852_24FE81CA_11453A10_827C315A_97B92476_5C3A1E96_D9611628),
        (bytes(range(32)), 0xEAEFE2AF_B7B7794A_1C8DC65C_7263C5D0_040ABBD6_F736AA68_40619B08_387D8927),
    ],
    ids=["RFC 6979", "with fresh randomness"],
)
def test_nonces_are_those_of_rfc_6979(fresh: bytes, nonce: int) -> None:
    """The values are python-ecdsa's (0.19, `rfc6979.generate_k` with SM3), an implementation of somebody else's."""
    assert next(sm2_signing._scalars(SECRET, hashed(PUBLIC, MESSAGE), fresh)) == nonce


def test_fresh_randomness_makes_each_signature_another() -> None:
    hedged = key()
    signatures = {hedged.sign(MESSAGE) for _ in range(8)}
    assert len(signatures) == len({each[:32] for each in signatures}) == 8
    assert all(sm2.verify(PUBLIC, each, MESSAGE) for each in signatures)


def test_without_randomness_no_nonce_serves_two_messages() -> None:
    """What RFC 6979 is for: a host whose randomness fails does not give the key away."""
    poor = key(random=bytes)
    signatures = [poor.sign(bytes([number])) for number in range(32)]
    nonces = {
        (int.from_bytes(each[:32], "big") - hashed(PUBLIC, bytes([number]))) % N
        for number, each in enumerate(signatures)
    }
    assert len(nonces) == 32
    assert poor.sign(b"\x00") == signatures[0]


def test_each_signature_asks_for_32_fresh_bytes() -> None:
    asked: list[int] = []

    def random(size: int) -> bytes:
        asked.append(size)
        return bytes(size)

    signer = key(random=random)
    asked.clear()
    signer.sign(MESSAGE)
    signer.sign(MESSAGE)
    assert asked == [32, 32]


@given(secret=st.integers(1, N - 2), message=st.binary(max_size=200), fresh=st.binary(min_size=32, max_size=32))
@settings(deadline=None, max_examples=60)
def test_what_any_key_signs_verifies(secret: int, message: bytes, fresh: bytes) -> None:
    signer = key(secret.to_bytes(32, "big"), random=lambda size: fresh[:size])
    signature = signer.sign(message)
    assert len(signature) == 64
    assert PublicKey(SM2, signer.public).verifies(signature, message)


@given(scalar=st.one_of(st.integers(1, 20), st.integers(N - 20, N - 1), st.integers(1, N - 1)))
@settings(deadline=None, max_examples=60)
def test_blinding_changes_no_multiple(scalar: int) -> None:
    masks = [sm2_signing._scalars(SECRET, scalar, bytes([which]) * 32) for which in (1, 2)]
    assert len({sm2_signing._multiple_of_g(scalar, each) for each in masks}) == 1


@pytest.mark.parametrize("scalar", [1, 2**200, N - 1])
@pytest.mark.parametrize("mask", [1, N - 1])
def test_every_multiple_takes_the_same_number_of_steps(scalar: int, mask: int, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = {"double": 0, "add": 0}
    real_double, real_add = sm2.double, sm2.add

    def double(point: sm2.Jacobian) -> sm2.Jacobian:
        steps["double"] += 1
        return real_double(point)

    def add(point: sm2.Jacobian, other: sm2.Affine) -> sm2.Jacobian:
        steps["add"] += 1
        return real_add(point, other)

    monkeypatch.setattr(sm2_signing, "double", double)
    monkeypatch.setattr(sm2_signing, "add", add)
    bits = (scalar + (3 << 158 | mask >> 98) * N).bit_length()
    assert sm2_signing._multiple_of_g(scalar, itertools.repeat(mask))
    assert (bits, steps) == (416, {"double": 415, "add": 415})


@pytest.mark.parametrize("fault", ["r is 0", "r + k is n"])
def test_a_nonce_that_will_not_do_is_followed_by_another(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """§6.1 A5: verifiers refuse what such a nonce would give. No message is known to lead there."""
    x = sm2_signing._multiple_of_g(NONCE, iter([1, 1]))[0]
    e = -x % N if fault == "r is 0" else (-NONCE - x) % N
    signer = key()
    nonces_first(monkeypatch, NONCE, NONCE + 1)
    for module in (sm2, sm2_signing):
        monkeypatch.setattr(module, "hashed", lambda public, message: e)
    signature = signer.sign(MESSAGE)
    expected = (e + sm2_signing._multiple_of_g(NONCE + 1, iter([1, 1]))[0]) % N
    assert int.from_bytes(signature[:32], "big") == expected
    assert sm2.verify(PUBLIC, signature, MESSAGE)


# -- secrets -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, N - 1, N, N + 1, 2**256 - 1])
def test_a_number_out_of_range_is_no_secret(number: int) -> None:
    with pytest.raises(KeyDamaged):
        key(number.to_bytes(32, "big"))


@pytest.mark.parametrize("secret", [b"", SECRET[:31], SECRET + b"\x00", b"\x00" + SECRET])
def test_a_secret_has_32_bytes(secret: bytes) -> None:
    with pytest.raises(KeyDamaged):
        key(secret)


def test_a_new_secret_is_drawn_until_it_is_one() -> None:
    drawn = iter([bytes(32), (N - 1).to_bytes(32, "big"), b"\xff" * 32, SECRET])
    assert make_secret(lambda size: next(drawn)) == SECRET
    assert make_secret(os.urandom) != make_secret(os.urandom)


def test_the_secret_shows_nowhere() -> None:
    signer = VendorKey("licence", "1", SECRET, SM2)
    spellings = [SECRET.hex(), base64.b64encode(SECRET).decode(), repr(SECRET), str(int.from_bytes(SECRET, "big"))]
    for text in (repr(key()), str(key()), repr([key()]), repr(signer), f"{signer}"):
        assert not any(spelling in text for spelling in spellings)


# -- in the keyring ----------------------------------------------------------------------------------------------------

KEY = VendorKey("licence", "1", SECRET, SM2)
FILE = seal(KEY, words(), random=repeatable("SM2 key file"), limits=CHEAP)


def rewritten(**members: object) -> bytes:
    """The key file with other members and a checksum that fits."""
    document = json.loads(FILE) | members
    del document["checksum"]
    return canonical(document | {"checksum": digest(canonical(document))}) + b"\n"


def test_an_sm2_key_comes_back_out_of_its_file() -> None:
    part = read_open_part(FILE)
    assert (part.algorithm, part.public_key) == (SM2, PublicKey(SM2, PUBLIC))
    again = unseal(FILE, words())
    assert (again.role, again.label, again.algorithm, again.public_key) == ("licence", "1", SM2, KEY.public_key)
    envelope = sign("application/x", b"body", [again])
    assert verify(envelope, payload_type="application/x", keys=[KEY.public_key], threshold=1).body == b"body"


def test_an_sm2_key_needs_its_passphrase_and_its_secret_is_not_in_the_open() -> None:
    with pytest.raises(PassphraseWrong):
        unseal(FILE, Passphrase(WORDS + b" "))
    assert not any(each in FILE for each in (SECRET, SECRET.hex().encode(), base64.b64encode(SECRET)))


def test_every_byte_that_differs_is_damage() -> None:
    for place in range(len(FILE)):
        with pytest.raises(KeyDamaged):
            unseal(FILE[:place] + bytes([FILE[place] ^ 0x01]) + FILE[place + 1 :], words())


def test_a_seed_of_one_scheme_cannot_be_passed_off_as_the_others() -> None:
    ed25519 = VendorKey("licence", "1", SECRET).public_key.public
    for members in ({"algorithm": ED25519}, {"algorithm": ED25519, "public": base64.b64encode(ed25519).decode()}):
        with pytest.raises(KeyDamaged, match=r"public part is not the one|not well-formed"):
            unseal(rewritten(**members), words())


@pytest.mark.parametrize("algorithm", ["sm9", "SM2", "", None])
def test_a_key_file_of_an_unknown_algorithm_is_damage(algorithm: object) -> None:
    with pytest.raises(KeyDamaged):
        read_open_part(rewritten(algorithm=algorithm))


def test_a_key_is_of_ed25519_unless_another_algorithm_is_asked_for() -> None:
    assert VendorKey("licence", "1", SECRET).public_key.algorithm == ED25519


# -- OpenSSL -----------------------------------------------------------------------------------------------------------

SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d034200")
"""SubjectPublicKeyInfo of an uncompressed point of this curve, without the point."""
DISTID = "distid:1234567812345678"
MESSAGES = {"empty": b"", "one byte": b"\x00", "text": "零信任\n".encode(), "1 MB": bytes(range(256)) * 4096}


def openssl(*arguments: str, fails: bool = False) -> bytes:
    done = subprocess.run(["openssl", *arguments], capture_output=True, check=False)
    assert bool(done.returncode) is fails, (done.stdout + done.stderr).decode()
    return done.stdout


@cache
def has_sm2() -> bool:
    if shutil.which("openssl") is None:
        return False
    listed = subprocess.run(["openssl", "list", "-signature-algorithms"], capture_output=True, text=True, check=False)
    return "SM2" in listed.stdout


needs_openssl = pytest.mark.skipif(not has_sm2(), reason="There is no OpenSSL 3 with SM2 on this host.")


def der(signature: bytes) -> bytes:
    numbers = b"".join(
        b"\x02" + bytes([len(raw)]) + raw
        for number in (int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
        for raw in (number.to_bytes(number.bit_length() // 8 + 1, "big"),)
    )
    return b"\x30" + bytes([len(numbers)]) + numbers


def raw(signature: bytes) -> bytes:
    """r || s out of the DER that OpenSSL writes."""
    assert signature[0] == 0x30
    assert signature[1] == len(signature) - 2
    end = 4 + signature[3]
    numbers = signature[4:end], signature[end + 2 :]
    assert signature[2] == signature[end] == 0x02
    return b"".join(int.from_bytes(each, "big").to_bytes(32, "big") for each in numbers)


def openssl_verifies(folder: Path, public: bytes, signature: bytes, message: bytes, *, fails: bool = False) -> None:
    (folder / "public.der").write_bytes(SPKI + public)
    (folder / "message").write_bytes(message)
    (folder / "signature").write_bytes(signature)
    said = openssl(
        *("pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", str(folder / "public.der")),
        *("-rawin", "-digest", "sm3", "-pkeyopt", DISTID),
        *("-in", str(folder / "message"), "-sigfile", str(folder / "signature")),
        fails=fails,
    )
    assert (b"Verified Successfully" in said) is not fails


@needs_openssl
@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
@pytest.mark.parametrize("generation", [("EC", "-pkeyopt", "ec_paramgen_curve:SM2"), ("SM2",)], ids=["EC", "SM2"])
def test_what_openssl_signs_verifies(tmp_path: Path, message: bytes, generation: tuple[str, ...]) -> None:
    (tmp_path / "message").write_bytes(message)
    for _ in range(4):
        pem = str(tmp_path / "key.pem")
        openssl("genpkey", "-algorithm", *generation, "-out", pem)
        spki = openssl("pkey", "-in", pem, "-pubout", "-outform", "DER")
        assert spki[: len(SPKI)] == SPKI
        known = PublicKey(SM2, spki[len(SPKI) :])
        written = openssl(
            *("pkeyutl", "-sign", "-inkey", pem, "-rawin", "-digest", "sm3", "-pkeyopt", DISTID),
            *("-in", str(tmp_path / "message")),
        )
        signature = raw(written)
        assert der(signature) == written
        assert known.verifies(signature, message)
        assert not known.verifies(written, message)
        assert not known.verifies(signature, message + b"\x00")


@needs_openssl
@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_openssl_verifies_what_we_sign(tmp_path: Path, message: bytes) -> None:
    for _ in range(4):
        signer = key(make_secret(os.urandom))
        signature = signer.sign(message)
        openssl_verifies(tmp_path, signer.public, der(signature), message)
        openssl_verifies(tmp_path, signer.public, der(signature), message + b"\x00", fails=True)


@needs_openssl
def test_openssl_agrees_on_random_messages(tmp_path: Path) -> None:
    for size in (1, 55, 56, 63, 64, 65, 119, 1000):
        message, signer = os.urandom(size), key(make_secret(os.urandom))
        openssl_verifies(tmp_path, signer.public, der(signer.sign(message)), message)


@needs_openssl
def test_openssl_verifies_the_standards_example(tmp_path: Path) -> None:
    openssl_verifies(tmp_path, PUBLIC, der(SIGNATURE), MESSAGE)
    openssl_verifies(tmp_path, PUBLIC, der(SIGNATURE[:-1] + b"\x00"), MESSAGE, fails=True)
