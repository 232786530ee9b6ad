"""SM2 with SM3: the standard's own example, what OpenSSL signed, and no for everything else, without an exception."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licensing import sm2
from licensing.algorithms import ED25519, SCHEMES, SM2, PublicKey, scheme
from licensing.document import PAYLOAD_TYPES
from licensing.envelope import Envelope, Signature, pae, parse, sign, to_clear, to_json, verify
from licensing.errors import AlgorithmUnknown, Malformed, SignatureRefused
from licensing.sm2 import Affine, G, Jacobian, N, P, add, affine, double, hashed
from licensing.strict_json import canonical
from licensing.trust import Trust
from licensing.vendor.keyring import VendorKey
from tests.licensing.documents import CONFIG_TEXT, base64_of, key, key_record, licence_members, trust_members

# GB/T 32918.5-2017, Annex A: the example of a signature on the recommended curve.
SECRET = 0x3945208F_7B2144B1_3F36E38A_C6D39F95_88939369_2860B51A_42FB81EF_4DF7C5B8
NONCE = 0x59276E27_D506861A_16680F3A_D9C02DCC_EF3CC1FA_3CDBE4CE_6D54B80D_EAC1BC21
PUBLIC = bytes.fromhex(
    "0409F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020"
    "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
)
MESSAGE = b"message digest"
E_OF_MESSAGE = 0xF0B43E94_BA45ACCA_ACE692ED_534382EB_17E6AB5A_19CE7B31_F4486FDF_C0D28640
X_OF_NONCE = 0x04EBFC71_8E8D1798_62043226_8E77FEB6_415E2EDE_0E073C0F_4F640ECD_2E149A73
SIGNATURE = bytes.fromhex(
    "F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3"
    "B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA"
)
KNOWN = PublicKey(SM2, PUBLIC)
POINT: Affine = (int.from_bytes(PUBLIC[1:33], "big"), int.from_bytes(PUBLIC[33:], "big"))
R, S = int.from_bytes(SIGNATURE[:32], "big"), int.from_bytes(SIGNATURE[32:], "big")


def signing(secret: int) -> VendorKey:
    return VendorKey("config", "1", secret.to_bytes(32, "big"), SM2)


SIGNER, STRANGER = signing(SECRET), signing(SECRET + 1)


def written(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(32, "big") for number in numbers)


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def der(r: int, s: int) -> bytes:
    """SEQUENCE of two INTEGERs, as OpenSSL and certificates write a signature."""
    numbers = b"".join(
        b"\x02" + bytes([len(raw)]) + raw for raw in (n.to_bytes(n.bit_length() // 8 + 1, "big") for n in (r, s))
    )
    return b"\x30" + bytes([len(numbers)]) + numbers


# -- vectors -----------------------------------------------------------------------------------------------------------


def test_the_standards_example_verifies() -> None:
    assert hashed(PUBLIC, MESSAGE) == E_OF_MESSAGE
    assert KNOWN.verifies(SIGNATURE, MESSAGE)


def test_the_standards_example_step_by_step() -> None:
    """Its private key gives its public key, its nonce its r and s: the numbers are the example's, not only ours."""
    assert textbook(SECRET, G) == POINT
    x = (textbook(NONCE, G) or (0, 0))[0]
    assert x == X_OF_NONCE
    assert (E_OF_MESSAGE + x) % N == R
    assert pow(1 + SECRET, -1, N) * (NONCE - R * SECRET) % N == S


@pytest.mark.parametrize(
    ("message", "value"),
    [
        (b"abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
        (b"abcd" * 16, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
    ],
)
def test_the_examples_of_sm3(message: bytes, value: str) -> None:
    """GB/T 32905-2016, Annex A."""
    assert sm2._sm3(message).hex() == value


@pytest.mark.parametrize(
    ("message", "public", "signature"),
    [
        pytest.param(
            b"",
            "046f7b9af914cb99acfb605f17b7915b62bfdc0881643574dcbc9fe7250d6f0fa2a250a45696dc17a005ae375466dd3b47b89af21a3529f2d06fd64da796207fbd",
            "3973f83208d27bb3375b39656cd8be559b12ee824c703a223c9ab7906df5d3a8649adff8f2e9184a8e4889e6d322ccfb5dcdb338d598b00e8f18b6addc948794",
            id="empty",
        ),
        pytest.param(
            b"\xe9\x9b\xb6\xe4\xbf\xa1\xe4\xbb\xbb over the gap\n",
            "043aaaa1dae433e03a354069348f93d535979d4a225e94d21c1076b2f90a63ba125bf67470372cdc9bdd2e39b759ef1addee9dc6723fe42ef13e343813ed79973f",
            "17d8fc398ba3d8590b4955809c0eb550dfd07a3bfcbe29b9a0fe0b5d211be15d6c11e32ad47de8b3b3c6bb1d45aee1a5086a71482821664e241b71a72b510a71",
            id="text",
        ),
    ],
)
def test_what_openssl_signed_verifies(message: bytes, public: str, signature: str) -> None:
    """OpenSSL 3.0 with keys of its own; tests/licensing/vendor/test_sm2_signing.py asks the one on this host."""
    known = PublicKey(SM2, bytes.fromhex(public))
    assert known.verifies(bytes.fromhex(signature), message)
    assert not known.verifies(bytes.fromhex(signature), message + b" ")


def test_the_curve_is_the_recommended_one() -> None:
    """GB/T 32918.5: G lies on it, and n is its order."""
    x, y = G
    assert (y * y - x**3 - sm2.A * x - sm2.B) % P == 0
    assert affine(multiple(N - 1, G)) == (x, P - y)
    assert multiple(N, G)[2] == 0


# -- arithmetic, against the formulas of a textbook --------------------------------------------------------------------


def textbook(scalar: int, point: Affine | None) -> Affine | None:
    """scalar·point by GB/T 32918.1 §3.2.3.1 in affine coordinates; None is the point at infinity."""
    total: Affine | None = None
    while scalar:
        if scalar & 1:
            total = textbook_sum(total, point)
        point = textbook_sum(point, point)
        scalar >>= 1
    return total


def textbook_sum(one: Affine | None, two: Affine | None) -> Affine | None:
    if one is None or two is None:
        return one or two
    if one[0] == two[0] and (one[1] + two[1]) % P == 0:
        return None
    if one == two:
        slope = (3 * one[0] ** 2 + sm2.A) * pow(2 * one[1], -1, P)
    else:
        slope = (two[1] - one[1]) * pow(two[0] - one[0], -1, P)
    x = (slope * slope - one[0] - two[0]) % P
    return x, (slope * (one[0] - x) - one[1]) % P


def multiple(scalar: int, point: Affine) -> Jacobian:
    total: Jacobian = (1, 1, 0)
    for bit in bin(scalar)[2:]:
        total = double(total)
        if bit == "1":
            total = add(total, point)
    return total


SCALARS = st.one_of(st.integers(0, 20), st.integers(N - 20, N - 1), st.integers(0, N - 1))


@given(s=SCALARS, t=SCALARS, d=st.one_of(st.integers(1, 20), st.integers(N - 20, N - 2), st.integers(1, N - 2)))
@settings(deadline=None, max_examples=60)
def test_a_sum_of_multiples_is_the_textbooks(s: int, t: int, d: int) -> None:
    point = textbook(d, G)
    assert point is not None
    total = sm2._sum_of_multiples(s, t, point)
    assert (affine(total) if total[2] else None) == textbook_sum(textbook(s, G), textbook(t, point))


@given(one=SCALARS, two=st.integers(1, 40), z=st.integers(1, P - 1))
@settings(deadline=None, max_examples=60)
def test_points_add_whatever_they_are_to_each_other(one: int, two: int, z: int) -> None:
    for other in (two, N - two, one or 1, N - (one or 1)):
        left, right = textbook(one, G), textbook(other, G)
        assert right is not None
        scaled: Jacobian = (1, 1, 0) if left is None else (left[0] * z**2 % P, left[1] * z**3 % P, z)
        total = add(scaled, right)
        assert (affine(total) if total[2] else None) == textbook_sum(left, right)


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bit", range(0, 8 * 64, 64))
def test_every_flipped_bit_of_the_example_is_seen(bit: int) -> None:
    for place in range(bit, bit + 64):
        assert not KNOWN.verifies(flipped(SIGNATURE, place), MESSAGE)
        assert not sm2.verify(flipped(PUBLIC, place), SIGNATURE, MESSAGE)
        assert not KNOWN.verifies(SIGNATURE, flipped(MESSAGE, place % (8 * len(MESSAGE))))


@given(message=st.binary(min_size=1, max_size=300), data=st.data())
@settings(deadline=None, max_examples=100)
def test_one_changed_bit_of_message_signature_or_key_is_refused(message: bytes, data: st.DataObject) -> None:
    signature = SIGNER.sign(message)
    assert sm2.verify(PUBLIC, signature, message) is True
    parts = [PUBLIC, signature, message]
    which = data.draw(st.integers(0, 2))
    parts[which] = flipped(parts[which], data.draw(st.integers(0, 8 * len(parts[which]) - 1)))
    assert sm2.verify(*parts) is False


@given(public=st.one_of(st.binary(max_size=70), st.just(PUBLIC)), signature=st.binary(max_size=70), message=st.binary())
@settings(deadline=None)
def test_verification_answers_and_never_raises(public: bytes, signature: bytes, message: bytes) -> None:
    assert sm2.verify(public, signature, message) is False
    assert sm2.is_sound(public) is (public == PUBLIC)


@given(r=st.integers(1, N - 1), s=st.integers(1, N - 1))
@settings(deadline=None)
def test_numbers_in_range_are_no_signature_yet(r: int, s: int) -> None:
    assert sm2.verify(PUBLIC, written(r, s), MESSAGE) is False


EDGES = (0, 1, N - 1, N, N + 1, 2**256 - 1, P, R, S)


@pytest.mark.parametrize("r", EDGES)
@pytest.mark.parametrize("s", EDGES)
def test_numbers_at_the_edges_are_refused(r: int, s: int) -> None:
    assert sm2.verify(PUBLIC, written(r, s), MESSAGE) is ((r, s) == (R, S))


@pytest.mark.parametrize("number", [0, N, N + 1, 2**256 - 1])
def test_a_number_out_of_range_is_refused_before_anything_is_computed(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sm2, "hashed", lambda public, message: pytest.fail("computed"))
    assert sm2.verify(PUBLIC, written(number, S), MESSAGE) is False
    assert sm2.verify(PUBLIC, written(R, number), MESSAGE) is False


def test_r_and_s_that_add_up_to_the_order_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With t = 0 the key plays no part: anybody could find such a pair for a digest that he may choose."""
    s = 12345
    e = (N - s - affine(multiple(s, G))[0]) % N
    monkeypatch.setattr(sm2, "hashed", lambda public, message: e)
    assert sm2.verify(PUBLIC, written(N - s, s), MESSAGE) is False


@pytest.mark.parametrize("t", [1, 2, 987654321, N - 1])
def test_a_sum_at_infinity_is_refused(t: int) -> None:
    """Who has the private key can choose r and s so that s·G + t·P vanishes; it has no x to compare."""
    r, s = t * (1 + SECRET) % N, -t * SECRET % N
    assert sm2._sum_of_multiples(s, t, POINT)[2] == 0
    assert sm2.verify(PUBLIC, written(r, s), MESSAGE) is False


@pytest.mark.parametrize("small", ["r", "s"])
def test_a_signature_has_one_spelling_only(small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number so small that adding n still fits into 32 bytes: genuine once, and refused with n added."""
    r, s = (7, S) if small == "r" else (R, 7)
    e = (r - affine(sm2._sum_of_multiples(s, (r + s) % N, POINT))[0]) % N
    monkeypatch.setattr(sm2, "hashed", lambda public, message: e)
    assert sm2.verify(PUBLIC, written(r, s), MESSAGE) is True
    again = written(r + N, s) if small == "r" else written(r, s + N)
    assert sm2.verify(PUBLIC, again, MESSAGE) is False


RESPELT: list[tuple[str, Callable[[int, int], bytes]]] = [
    ("DER", der),
    ("DER, cut to size", lambda r, s: der(r, s)[:64]),
    ("a zero before r", lambda r, s: b"\x00" + written(r, s)),
    ("a zero before each", lambda r, s: b"\x00" + written(r) + b"\x00" + written(s)),
    ("a zero before s", lambda r, s: written(r) + b"\x00" + written(s)),
    ("a zero after", lambda r, s: written(r, s) + b"\x00"),
    ("r and s exchanged", lambda r, s: written(s, r)),
    ("s negated", lambda r, s: written(r, N - s)),
    ("r negated", lambda r, s: written(N - r, s)),
    ("both negated", lambda r, s: written(N - r, N - s)),
    ("little endian", lambda r, s: r.to_bytes(32, "little") + s.to_bytes(32, "little")),
    ("hexadecimal", lambda r, s: written(r, s).hex().encode()),
    ("twice", lambda r, s: written(r, s) * 2),
    ("nothing", lambda r, s: b""),
    ("r alone", lambda r, s: written(r)),
]


@pytest.mark.parametrize(("how", "respell"), RESPELT, ids=[how for how, _ in RESPELT])
def test_a_signature_spelt_otherwise_is_refused(how: str, respell: Callable[[int, int], bytes]) -> None:
    assert KNOWN.verifies(written(R, S), MESSAGE)
    assert not KNOWN.verifies(respell(R, S), MESSAGE)
    assert sm2.verify(PUBLIC, respell(R, S), MESSAGE) is False


def test_another_id_another_message_another_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not KNOWN.verifies(SIGNATURE, MESSAGE + b"\x00")
    assert not STRANGER.public_key.verifies(SIGNATURE, MESSAGE)
    monkeypatch.setattr(sm2, "DISTINGUISHING_ID", b"TLSv1.3+GM+Cipher+Suite")
    assert not KNOWN.verifies(SIGNATURE, MESSAGE)


# -- keys --------------------------------------------------------------------------------------------------------------


def small_x() -> Affine:
    """A point whose x still fits into 32 bytes with p added."""
    for x in range(100):
        square = (x**3 + sm2.A * x + sm2.B) % P
        y = pow(square, (P + 1) // 4, P)
        if y * y % P == square:
            return x, y
    raise AssertionError


SMALL_Y: Affine = (0x9C17043E_FFE1A805_A74A9A5E_70B9D659_705D3242_094A566D_C016F493_11178D1F, 1)

NO_KEYS: dict[str, bytes] = {
    "infinity": b"\x00",
    "infinity, to size": bytes(65),
    "zero": b"\x04" + bytes(64),
    "not on the curve": b"\x04" + written(POINT[0], POINT[1] ^ 1),
    "x negated": b"\x04" + written(P - POINT[0], POINT[1]),
    "on P-256": bytes.fromhex(
        "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
        "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
    ),
    "x + p": b"\x04" + written(small_x()[0] + P, small_x()[1]),
    "y + p": b"\x04" + written(SMALL_Y[0], SMALL_Y[1] + P),
    "x = p": b"\x04" + written(P, POINT[1]),
    "y = p": b"\x04" + written(POINT[0], P),
    "all ones": b"\x04" + b"\xff" * 64,
    "compressed": bytes([2 + POINT[1] % 2]) + written(POINT[0]),
    "hybrid": bytes([6 + POINT[1] % 2]) + PUBLIC[1:],
    "without its prefix": PUBLIC[1:],
    "with another prefix": b"\x05" + PUBLIC[1:],
    "one byte less": PUBLIC[:-1],
    "one byte more": PUBLIC + b"\x00",
    "nothing": b"",
    "-G": b"\x04" + written(G[0], P - G[1]),
}


@pytest.mark.parametrize("public", NO_KEYS.values(), ids=NO_KEYS)
def test_what_is_no_key_is_refused_and_verifies_nothing(public: bytes) -> None:
    assert sm2.is_sound(public) is False
    assert sm2.verify(public, SIGNATURE, MESSAGE) is False
    with pytest.raises(Malformed):
        PublicKey(SM2, public)


def test_the_points_beside_those_refused_are_keys() -> None:
    assert sm2.is_sound(b"\x04" + written(*G))
    assert sm2.is_sound(b"\x04" + written(*small_x()))
    assert sm2.is_sound(b"\x04" + written(*SMALL_Y))
    assert sm2.is_sound(PUBLIC)


@pytest.mark.parametrize("secret", [1, 2, N - 3, N - 2])
def test_the_first_and_last_private_keys_sign_as_any_other(secret: int) -> None:
    signer = signing(secret)
    assert signer.public_key.verifies(signer.sign(MESSAGE), MESSAGE)


# -- the table ---------------------------------------------------------------------------------------------------------


def test_it_is_the_second_entry_of_the_table() -> None:
    assert list(SCHEMES) == [ED25519, SM2]
    known = scheme("sm2")
    assert (known.name, known.public_size, known.signature_size) == ("sm2", 65, 64)


@pytest.mark.parametrize("name", ["SM2", "sm2 ", "sm2-sm3", "sm2p256v1", "sm9", "", "none", "\x00"])
def test_an_unknown_algorithm_still_fails_closed(name: str) -> None:
    with pytest.raises(AlgorithmUnknown):
        scheme(name)
    with pytest.raises(AlgorithmUnknown):
        PublicKey(name, PUBLIC)
    record = {"algorithm": name, "public": base64_of(PUBLIC)}
    with pytest.raises(AlgorithmUnknown):
        Trust.from_mapping(trust_members() | {"keys": trust_members()["keys"] | {"00" * 32: record}})


def test_a_key_of_one_scheme_verifies_nothing_of_the_other() -> None:
    assert not KNOWN.verifies(key("a").sign(MESSAGE), MESSAGE)
    assert not key("a").public_key.verifies(SIGNATURE, MESSAGE)
    with pytest.raises(Malformed):
        PublicKey(ED25519, PUBLIC)
    with pytest.raises(Malformed):
        PublicKey(SM2, key("a").public_key.public)


# -- through the envelope ----------------------------------------------------------------------------------------------

TYPE = PAYLOAD_TYPES["config"]
BOTH = (key("officer").public_key, KNOWN)


def signed_by_both() -> Envelope:
    return sign(TYPE, CONFIG_TEXT, [key("officer"), SIGNER])


@pytest.mark.parametrize("spell", [to_json, to_clear], ids=["json", "clear"])
def test_an_envelope_signed_by_an_sm2_key_verifies_in_both_forms(spell: Callable[[Envelope], bytes]) -> None:
    envelope = parse(spell(sign(TYPE, CONFIG_TEXT, [SIGNER])))
    verified = verify(envelope, payload_type=TYPE, keys=[KNOWN], threshold=1)
    assert (verified.body, verified.signers) == (CONFIG_TEXT, (KNOWN.keyid,))


def test_an_envelope_may_need_one_signature_of_each_scheme() -> None:
    envelope = parse(to_json(signed_by_both()))
    needs: dict[str, Any] = {"payload_type": TYPE, "threshold": 2, "at_least": {ED25519: 1, SM2: 1}}
    assert set(verify(envelope, keys=BOTH, **needs).signers) == {each.keyid for each in BOTH}
    for signature in envelope.signatures:
        with pytest.raises(SignatureRefused):
            verify(Envelope(TYPE, CONFIG_TEXT, (signature,)), keys=BOTH, **needs)


def test_two_signatures_of_one_sm2_key_are_one() -> None:
    """SM2 signatures differ each time they are made; the threshold counts keys."""
    envelope = sign(TYPE, CONFIG_TEXT, [SIGNER, SIGNER])
    assert envelope.signatures[0].sig != envelope.signatures[1].sig
    with pytest.raises(SignatureRefused):
        verify(envelope, payload_type=TYPE, keys=[KNOWN, STRANGER.public_key], threshold=2)


@pytest.mark.parametrize(("how", "respell"), RESPELT, ids=[how for how, _ in RESPELT])
def test_an_envelope_with_a_respelt_signature_is_refused(how: str, respell: Callable[[int, int], bytes]) -> None:
    sig = SIGNER.sign(pae("t", b"body"))
    r, s = int.from_bytes(sig[:32], "big"), int.from_bytes(sig[32:], "big")
    good = Envelope("t", b"body", (Signature(KNOWN.keyid, sig),))
    assert verify(good, payload_type="t", keys=[KNOWN], threshold=1).body == b"body"
    changed = Envelope("t", b"body", (Signature(KNOWN.keyid, respell(r, s)),))
    with pytest.raises(SignatureRefused):
        verify(changed, payload_type="t", keys=[KNOWN], threshold=1)


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_an_envelope_with_a_changed_bit_is_refused(data: st.DataObject) -> None:
    envelope = sign(TYPE, CONFIG_TEXT, [SIGNER])
    (signature,) = envelope.signatures
    sig, body = signature.sig, envelope.body
    if data.draw(st.booleans()):
        sig = flipped(sig, data.draw(st.integers(0, 8 * len(sig) - 1)))
    else:
        body = flipped(body, data.draw(st.integers(0, 8 * len(body) - 1)))
    with pytest.raises(SignatureRefused):
        verify(
            Envelope(TYPE, body, (Signature(signature.keyid, sig),)),
            payload_type=TYPE,
            keys=[KNOWN, STRANGER.public_key],
            threshold=1,
        )


def test_an_envelope_signed_by_a_key_that_is_not_the_roles_is_refused() -> None:
    envelope = sign(TYPE, CONFIG_TEXT, [STRANGER])
    named = Envelope(TYPE, CONFIG_TEXT, (Signature(KNOWN.keyid, envelope.signatures[0].sig),))
    for each in (envelope, named):
        with pytest.raises(SignatureRefused):
            verify(each, payload_type=TYPE, keys=BOTH, threshold=1)


def test_an_envelope_signed_as_another_kind_is_refused() -> None:
    envelope = sign(PAYLOAD_TYPES["licence"], CONFIG_TEXT, [SIGNER])
    with pytest.raises(SignatureRefused):
        verify(Envelope(TYPE, CONFIG_TEXT, envelope.signatures), payload_type=TYPE, keys=[KNOWN], threshold=1)


def test_a_trust_document_may_ask_a_role_for_both() -> None:
    members = trust_members()
    members["keys"][KNOWN.keyid] = {"algorithm": SM2, "public": base64_of(PUBLIC)}
    members["roles"]["licence"] = {
        "keys": [key("licence-1").keyid, key("licence-2").keyid, KNOWN.keyid],
        "threshold": 2,
        "epoch": 1,
        "at_least": {SM2: 1},
    }
    trust = Trust.from_mapping(members)
    kind, body = PAYLOAD_TYPES["licence"], canonical(licence_members())
    both = sign(kind, body, [key("licence-1"), SIGNER])
    assert KNOWN.keyid in trust.verify(both, role="licence", payload_type=kind).signers
    with pytest.raises(SignatureRefused):
        trust.verify(sign(kind, body, [key("licence-1"), key("licence-2")]), role="licence", payload_type=kind)


def test_a_trust_document_cannot_give_a_key_of_one_scheme_to_the_other() -> None:
    for record in ({"algorithm": ED25519, "public": base64_of(PUBLIC)}, key_record(key("a")) | {"algorithm": SM2}):
        members = trust_members()
        with pytest.raises(Malformed):
            Trust.from_mapping(members | {"keys": members["keys"] | {KNOWN.keyid: record}})
