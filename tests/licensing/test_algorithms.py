"""Signature schemes: the standard's own vectors, and everything unknown or out of size failing closed."""

from __future__ import annotations

import hashlib
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licensing import algorithms
from licensing.algorithms import ED25519, SCHEMES, SM2, PublicKey, Scheme, digest, scheme
from licensing.envelope import Envelope, Signature, pae, verify
from licensing.errors import AlgorithmUnknown, Malformed
from tests.licensing.documents import Key, key

RFC_8032 = [
    pytest.param(
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        id="test-1",
    ),
    pytest.param(
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        id="test-2",
    ),
    pytest.param(
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        id="test-3",
    ),
]
ORDER = 2**252 + 27742317777372353535851937790883648493


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC_8032)
def test_the_vectors_of_rfc_8032_verify(seed: str, public: str, message: str, signature: str) -> None:
    signer = Key(bytes.fromhex(seed))
    assert signer.public_key.public.hex() == public
    assert signer.sign(bytes.fromhex(message)).hex() == signature
    assert signer.public_key.verifies(bytes.fromhex(signature), bytes.fromhex(message))


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC_8032)
def test_every_flipped_bit_of_a_signature_is_seen(seed: str, public: str, message: str, signature: str) -> None:
    known, good = PublicKey(ED25519, bytes.fromhex(public)), bytes.fromhex(signature)
    for bit in range(len(good) * 8):
        changed = bytearray(good)
        changed[bit // 8] ^= 1 << bit % 8
        assert not known.verifies(bytes(changed), bytes.fromhex(message))


def test_a_signature_has_one_spelling_only() -> None:
    """RFC 8032 §5.1.7: S must be below the group's order, or S + L would be a second signature without the key."""
    signature = key("a").sign(b"message")
    again = int.from_bytes(signature[32:], "little") + ORDER
    assert not key("a").public_key.verifies(signature[:32] + again.to_bytes(32, "little"), b"message")


@given(signature=st.binary(max_size=130), message=st.binary(max_size=40))
@settings(deadline=None)
def test_verification_answers_and_never_raises(signature: bytes, message: bytes) -> None:
    assert key("a").public_key.verifies(signature, message) is False


@given(public=st.binary(min_size=32, max_size=32))
@settings(deadline=None)
def test_bytes_that_nobody_made_as_a_key_are_refused_or_verify_nothing(public: bytes) -> None:
    try:
        known = PublicKey(ED25519, public)
    except Malformed:
        return
    assert known.verifies(key("a").sign(b"m"), b"m") is False


@pytest.mark.parametrize("size", [0, 1, 31, 33, 64])
def test_a_key_of_another_size_is_no_key(size: int) -> None:
    with pytest.raises(Malformed):
        PublicKey(ED25519, bytes(size))


@pytest.mark.parametrize("name", ["", "Ed25519", "ed25519 ", "none", "rsa", "SM2", "sm9", "ed448", "\x00"])
def test_an_unknown_algorithm_fails_closed(name: str) -> None:
    with pytest.raises(AlgorithmUnknown):
        scheme(name)
    with pytest.raises(AlgorithmUnknown):
        PublicKey(name, bytes(32))


def test_the_table_cannot_be_added_to_while_running() -> None:
    assert isinstance(SCHEMES, MappingProxyType)
    assert list(SCHEMES) == [ED25519, SM2]


def test_a_key_id_commits_to_the_algorithm_and_to_the_key() -> None:
    public = key("a").public_key.public
    assert key("a").keyid == hashlib.sha256(b"ed25519\n" + public).hexdigest()
    assert key("a").keyid != key("b").keyid


def test_a_further_scheme_is_one_more_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The envelope never says which: the key record does. A toy scheme stands in for a third."""

    def toy(public: bytes, signature: bytes, message: bytes) -> bool:
        return signature == hashlib.sha256(public + message).digest()

    monkeypatch.setattr(algorithms, "SCHEMES", {**SCHEMES, "toy": Scheme("toy", 8, 32, toy, lambda public: True)})
    second = PublicKey("toy", b"12345678")
    message = pae("t", b"body")
    envelope = Envelope(
        "t",
        b"body",
        (Signature("", key("a").sign(message)), Signature("", hashlib.sha256(b"12345678" + message).digest())),
    )
    verified = verify(envelope, payload_type="t", keys=[second, key("a").public_key], threshold=2)
    assert set(verified.signers) == {second.keyid, key("a").keyid}


def test_a_digest_names_its_algorithm() -> None:
    assert digest(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
