"""The envelope: exactly these bytes, under exactly this type, by this many distinct keys; in either form."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from licensing.document import PAYLOAD_TYPES
from licensing.envelope import (
    BEGIN,
    END,
    SIGNATURES_LIMIT,
    Envelope,
    Signature,
    pae,
    parse,
    sign,
    to_clear,
    to_json,
    verify,
)
from licensing.errors import LicensingError, Malformed, SignatureRefused, WrongKind
from tests.licensing.documents import (
    CONFIG_TEXT,
    Key,
    base64_of,
    clear_signed,
    key,
    keys,
    with_signatures,
)

VECTOR_KEY = Key(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
VECTOR_TYPE = "http://example.com/HelloWorld"
VECTOR_SIGNATURE = "4DHX3Zn4qpBKvEj7maE8O9u9bjXEnPLLnyXVUJ2PXJR8DSLcL3QDpFvfJOj3pB/SPHsl6Jg4boxsMb6KvuYABw=="
BEACON = "application/vnd.ao.灯塔+json"
CONFIG = PAYLOAD_TYPES["config"]
A, B, C = keys("a", "b", "c")
ALL = [each.public_key for each in (A, B, C)]
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"))


def ids(*signers: Key) -> tuple[str, ...]:
    """Signers are named in one order, whatever the order of their signatures."""
    return tuple(sorted(each.keyid for each in signers))


def check(envelope: Envelope, threshold: int = 1, payload_type: str = "t") -> tuple[str, ...]:
    return verify(envelope, payload_type=payload_type, keys=ALL, threshold=threshold).signers


# --- what is signed


def test_the_pre_authentication_encoding_of_the_vector() -> None:
    assert pae(VECTOR_TYPE, b"hello world") == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_the_signature_of_the_vector() -> None:
    envelope = sign(VECTOR_TYPE, b"hello world", [VECTOR_KEY])
    assert base64_of(envelope.signatures[0].sig) == VECTOR_SIGNATURE
    verified = verify(envelope, payload_type=VECTOR_TYPE, keys=[VECTOR_KEY.public_key], threshold=1)
    assert verified.body == b"hello world"


def test_lengths_count_bytes_and_not_characters() -> None:
    assert pae(BEACON, "é".encode()) == b"DSSEv1 30 " + BEACON.encode() + b" 2 " + "é".encode()
    assert len(BEACON) == 26
    in_characters = b"DSSEv1 26 " + BEACON.encode() + b" 1 x"
    wrong = Envelope(BEACON, b"x", (Signature(A.keyid, A.sign(in_characters)),))
    with pytest.raises(SignatureRefused):
        check(wrong, payload_type=BEACON)
    envelope = sign(BEACON, b"x", [A])
    assert parse(to_json(envelope)) == envelope
    assert parse(to_clear(sign(BEACON, b"x\n", [A]))) == sign(BEACON, b"x\n", [A])


def test_an_empty_body_is_encoded_with_its_last_space() -> None:
    assert pae("", b"") == b"DSSEv1 0  0 "


@given(st.tuples(TEXT, st.binary(max_size=30)), st.tuples(TEXT, st.binary(max_size=30)))
@example((("1"), b"2 3"), (("1 1"), b"3"))
@settings(deadline=None)
def test_two_documents_never_share_an_encoding(one: tuple[str, bytes], other: tuple[str, bytes]) -> None:
    assert (pae(*one) == pae(*other)) is (one == other)


# --- how many keys


@pytest.mark.parametrize("signers", [(A,), (A, B), (C, A, B)])
def test_distinct_keys_are_counted(signers: tuple[Key, ...]) -> None:
    envelope = sign("t", b"body", signers)
    assert check(envelope, len(signers)) == ids(*signers)
    with pytest.raises(SignatureRefused):
        check(envelope, len(signers) + 1)


def test_the_same_signature_twice_is_one() -> None:
    once = sign("t", b"body", [A]).signatures
    with pytest.raises(SignatureRefused):
        check(Envelope("t", b"body", once * 2), 2)
    assert check(Envelope("t", b"body", once * 2)) == (A.keyid,)


@pytest.mark.parametrize("keyid", ["", "ff" * 32, B.keyid, A.keyid.upper()])
def test_the_same_signature_under_another_key_id_is_still_one(keyid: str) -> None:
    first = sign("t", b"body", [A]).signatures[0]
    with pytest.raises(SignatureRefused):
        check(Envelope("t", b"body", (first, Signature(keyid, first.sig))), 2)


def test_a_key_that_is_listed_twice_is_one() -> None:
    envelope = sign("t", b"body", [A])
    with pytest.raises(SignatureRefused):
        verify(envelope, payload_type="t", keys=[A.public_key, A.public_key], threshold=2)


@pytest.mark.parametrize("threshold", [0, -1])
def test_a_threshold_below_one_accepts_nothing(threshold: int) -> None:
    with pytest.raises(SignatureRefused):
        check(sign("t", b"body", [A]), threshold)


def test_strangers_do_not_count_and_do_not_harm() -> None:
    stranger = key("stranger")
    mixed = sign("t", b"body", [stranger, A, stranger, B])
    assert check(mixed, 2) == ids(A, B)
    with pytest.raises(SignatureRefused):
        check(mixed, 3)


def test_no_keys_no_trust() -> None:
    with pytest.raises(SignatureRefused):
        verify(sign("t", b"body", [A]), payload_type="t", keys=[], threshold=1)
    with pytest.raises(SignatureRefused):
        check(Envelope("t", b"body", ()))


# --- the key id decides nothing


@pytest.mark.parametrize("keyid", ["", "lies", "ff" * 32, B.keyid, C.keyid, "\x00", "灯"])
def test_a_key_id_that_lies_changes_nothing(keyid: str) -> None:
    genuine = sign("t", b"body", [A])
    relabelled = with_signatures(genuine, Signature(keyid, genuine.signatures[0].sig))
    assert check(relabelled) == (A.keyid,)


def test_swapped_key_ids_change_nothing() -> None:
    one, two = sign("t", b"body", [A, B]).signatures
    swapped = Envelope("t", b"body", (Signature(two.keyid, one.sig), Signature(one.keyid, two.sig)))
    assert check(swapped, 2) == ids(A, B)


def test_a_stranger_under_an_allowed_key_id_stays_a_stranger() -> None:
    forged = sign("t", b"body", [key("stranger")]).signatures[0]
    with pytest.raises(SignatureRefused):
        check(Envelope("t", b"body", (Signature(A.keyid, forged.sig),)))


def test_an_envelope_may_leave_its_key_ids_out() -> None:
    document = json.loads(to_json(sign("t", b"body", [A, B])))
    for row in document["signatures"]:
        del row["keyid"]
    assert check(parse(json.dumps(document).encode()), 2) == ids(A, B)


# --- the kind


@pytest.mark.parametrize("asked", ["T", "t ", "", "application/vnd.ao.licence.v1+json"])
def test_a_document_of_one_kind_never_passes_as_another(asked: str) -> None:
    with pytest.raises(WrongKind):
        check(sign("t", b"body", [A]), payload_type=asked)


def test_relabelling_the_kind_breaks_the_signature() -> None:
    genuine = sign("t", b"body", [A])
    with pytest.raises(SignatureRefused):
        check(Envelope("u", genuine.body, genuine.signatures), payload_type="u")


# --- two forms of one thing


def test_the_forms_convert_without_a_new_signature() -> None:
    envelope = sign(CONFIG, CONFIG_TEXT, [A, B])
    through = parse(to_json(parse(to_clear(parse(to_json(envelope))))))
    assert through == envelope
    assert check(through, 2, CONFIG) == ids(A, B)


@given(
    body=st.binary(max_size=80),
    payload_type=TEXT.filter(bool),
    sigs=st.lists(st.binary(max_size=70), min_size=1, max_size=4),
)
@settings(deadline=None)
def test_the_json_form_keeps_every_byte(body: bytes, payload_type: str, sigs: list[bytes]) -> None:
    envelope = Envelope(payload_type, body, tuple(Signature(str(number), sig) for number, sig in enumerate(sigs)))
    assert parse(to_json(envelope)) == envelope


@given(text=TEXT, payload_type=TEXT.filter(bool))
@example("# -----BEGIN AO SIGNATURE-----\n# {}\n# -----END AO SIGNATURE-----\n", CONFIG)
@settings(deadline=None)
def test_the_clear_form_keeps_every_byte(text: str, payload_type: str) -> None:
    envelope = sign(payload_type, f"kind: config\n{text}\n".encode(), [A])
    assert parse(to_clear(envelope)) == envelope


@pytest.mark.parametrize("body", [b"{kind: config, schema: 1}\n", b'{"kind": "config"}\n', b"{}\n"])
def test_what_would_be_taken_for_the_other_form_has_no_clear_form(body: bytes) -> None:
    """The first byte tells the forms apart: YAML in flow style is refused when it is signed, not at the site."""
    with pytest.raises(Malformed, match="JSON form"):
        to_clear(sign(CONFIG, body, [A]))


def test_the_clear_form_is_the_text_and_three_comment_lines() -> None:
    lines = clear_signed(CONFIG_TEXT, A).removeprefix(CONFIG_TEXT).splitlines(keepends=True)
    assert (len(lines), lines[0], lines[2]) == (
        3,
        b"# -----BEGIN AO SIGNATURE-----\n",
        b"# -----END AO SIGNATURE-----\n",
    )
    assert lines[1].startswith(b'# {"payloadType":"application/vnd.ao.config.v1+yaml","signatures":[{"keyid":"')
    assert lines[1].isascii()


# --- edges of the clear form

SIGNED = clear_signed(CONFIG_TEXT, A)
BLOCK = SIGNED.removeprefix(CONFIG_TEXT)
SIGNATURE_LINE = BLOCK.split(b"\n")[1]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(CONFIG_TEXT, id="no block"),
        pytest.param(SIGNED + b"\n", id="an empty line after END"),
        pytest.param(SIGNED + b" ", id="a space after END"),
        pytest.param(SIGNED + b"serial: 99\n", id="text after END"),
        pytest.param(SIGNED + b"# a comment\n", id="a comment after END"),
        pytest.param(SIGNED[:-1], id="no final newline"),
        pytest.param(SIGNED.replace(b"\n", b"\r\n"), id="CRLF throughout"),
        pytest.param(CONFIG_TEXT.replace(b"\n", b"\r\n") + BLOCK, id="CRLF in the body"),
        pytest.param(CONFIG_TEXT + BLOCK.replace(b"\n", b"\r\n"), id="CRLF in the block"),
        pytest.param(CONFIG_TEXT + b"\r" + BLOCK, id="a lone CR"),
        pytest.param(BLOCK, id="no body"),
        pytest.param(CONFIG_TEXT.rstrip(b"\n") + BLOCK, id="body without a final newline"),
        pytest.param(CONFIG_TEXT + b" " + BLOCK, id="BEGIN not at the start of its line"),
        pytest.param(CONFIG_TEXT + BEGIN + END, id="no signature line"),
        pytest.param(CONFIG_TEXT + BEGIN + SIGNATURE_LINE + b"\n", id="no END"),
        pytest.param(CONFIG_TEXT + BEGIN + SIGNATURE_LINE + END, id="END on the signature's line"),
        pytest.param(CONFIG_TEXT + BEGIN + SIGNATURE_LINE[2:] + b"\n" + END, id="signature line not a comment"),
        pytest.param(CONFIG_TEXT + BEGIN + (SIGNATURE_LINE + b"\n") * 2 + END, id="two signature lines"),
        pytest.param(CONFIG_TEXT + BEGIN + b"# \n" + SIGNATURE_LINE + b"\n" + END, id="a line in between"),
        pytest.param(CONFIG_TEXT + BEGIN.lower() + SIGNATURE_LINE + b"\n" + END, id="BEGIN in other letters"),
        pytest.param(b"\xff\n" + BLOCK, id="body not UTF-8"),
        pytest.param(b"\xef\xbb\xbf" + BLOCK, id="only a byte order mark"),
    ],
)
def test_a_clear_document_that_is_not_exactly_in_form_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse(data)


def test_of_two_blocks_the_last_one_counts_and_the_first_is_body() -> None:
    envelope = parse(SIGNED + BLOCK)
    assert envelope.body == SIGNED
    with pytest.raises(SignatureRefused):
        check(envelope, payload_type=CONFIG)
    twice = clear_signed(SIGNED, B)
    assert verify(parse(twice), payload_type=CONFIG, keys=[B.public_key], threshold=1).body == SIGNED


@pytest.mark.parametrize("inside", [BEGIN, END, BEGIN + END, b"text: |\n  " + BEGIN])
def test_marker_lines_inside_the_body_are_body(inside: bytes) -> None:
    body = CONFIG_TEXT + inside + b"tail: 1\n"
    assert parse(clear_signed(body, A)).body == body


@pytest.mark.parametrize("body", [b"", b"no newline", b"a\r\n", b"a\rb\n", b"\xff\n", b"\xed\xa0\x80\n"])
def test_what_is_not_plain_text_has_no_clear_form(body: bytes) -> None:
    with pytest.raises(Malformed):
        to_clear(sign(CONFIG, body, [A]))


# --- base64


def json_form(**changes: Any) -> bytes:
    return json.dumps(json.loads(to_json(sign("t", b"\xfb\xff\xfe" * 4, [A]))) | changes).encode()


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_standard_and_url_safe_base64_are_the_same_envelope(encode: Any) -> None:
    envelope = sign("t", b"\xfb\xff\xfe" * 4, [A])
    rows = [{"keyid": "", "sig": encode(envelope.signatures[0].sig).decode()}]
    read = parse(json_form(payload=encode(envelope.body).decode(), signatures=rows))
    assert (read.body, check(read)) == (envelope.body, (A.keyid,))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("+_-/", id="both alphabets"),
        pytest.param("AA-_AA+/", id="both alphabets, apart"),
        pytest.param("YQ", id="no padding"),
        pytest.param("YQ=", id="half the padding"),
        pytest.param("YQ===", id="too much padding"),
        pytest.param("YWI==", id="padding too long"),
        pytest.param("=YQ=", id="padding first"),
        pytest.param("YQ==YQ==", id="padding inside"),
        pytest.param("YR==", id="stray trailing bits"),
        pytest.param("Y-==", id="stray trailing bits, URL-safe"),
        pytest.param("YWJ=", id="stray trailing bits of two bytes"),
        pytest.param("YW Jj", id="a space"),
        pytest.param("YWJj\n", id="a newline"),
        pytest.param("YWJjZA", id="cut short"),
        pytest.param("A", id="one letter"),
        pytest.param("====", id="nothing but padding"),
        pytest.param("YWJj\u00e9", id="not ASCII"),
        pytest.param("ＹＷＪｊ", id="full-width letters"),
        pytest.param("YW.j", id="another letter"),
    ],
)
def test_base64_has_one_spelling_in_each_alphabet(text: str) -> None:
    with pytest.raises(Malformed, match="base64"):
        parse(json_form(payload=text))
    with pytest.raises(Malformed, match="base64"):
        parse(json_form(signatures=[{"sig": text}]))


# --- the shape of the JSON form


@pytest.mark.parametrize(
    "changes",
    [
        {"payload": None},
        {"payload": 1},
        {"payload": ["YQ=="]},
        {"payloadType": ""},
        {"payloadType": None},
        {"payloadType": ["t"]},
        {"signatures": []},
        {"signatures": {}},
        {"signatures": None},
        {"signatures": "YQ=="},
        {"signatures": ["YQ=="]},
        {"signatures": [None]},
        {"signatures": [{}]},
        {"signatures": [{"sig": 1}]},
        {"signatures": [{"sig": None, "keyid": ""}]},
        {"signatures": [{"sig": "YQ==", "keyid": None}]},
        {"signatures": [{"sig": "YQ==", "keyid": 7}]},
        {"signatures": [{"sig": ""}] * (SIGNATURES_LIMIT + 1)},
    ],
)
def test_an_envelope_of_another_shape_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        parse(json_form(**changes))


@pytest.mark.parametrize("member", ["payload", "payloadType", "signatures"])
def test_an_envelope_has_all_its_members(member: str) -> None:
    document = json.loads(json_form())
    del document[member]
    with pytest.raises(Malformed):
        parse(json.dumps(document).encode())


def test_as_many_signatures_as_the_limit_are_read() -> None:
    envelope = parse(json_form(signatures=[{"sig": ""}] * (SIGNATURES_LIMIT - 1) + [{"sig": base64_of(bytes(64))}]))
    assert len(envelope.signatures) == SIGNATURES_LIMIT


@given(st.binary(max_size=80))
@example(b"{")
@example(BEGIN)
@example(b"\n" + BEGIN + b"# {}\n" + END)
@settings(deadline=None)
def test_any_bytes_are_an_envelope_or_refused(data: bytes) -> None:
    try:
        parse(data)
    except LicensingError:
        return
