"""JSON with one meaning: what two readers could understand differently does not come in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from licensing.errors import Malformed
from licensing.strict_json import canonical, load_object

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
WHOLE = st.integers(-(2**63) + 1, 2**63 - 1)
VALUES = st.recursive(
    st.none() | st.booleans() | WHOLE | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(TEXT, VALUES, max_size=5)


@given(OBJECTS)
@settings(deadline=None)
def test_what_is_written_is_read_back(value: dict[str, Any]) -> None:
    assert load_object(canonical(value)) == value


@given(OBJECTS)
@settings(deadline=None)
def test_the_canonical_spelling_depends_on_the_value_alone(value: dict[str, Any]) -> None:
    turned = dict(reversed(list(value.items())))
    assert canonical(turned) == canonical(value) == canonical(load_object(canonical(value)))


@given(OBJECTS, st.integers(0, 200), st.integers(0, 255))
@settings(deadline=None)
def test_any_changed_byte_is_still_an_object_or_malformed(value: dict[str, Any], place: int, byte: int) -> None:
    data = bytearray(canonical(value))
    data[place % len(data)] = byte
    try:
        load_object(bytes(data))
    except Malformed:
        return


@given(st.binary(max_size=60))
@example(b"")
@example(b"\x00")
@example(b"{")
@settings(deadline=None)
def test_any_bytes_are_an_object_or_malformed(data: bytes) -> None:
    try:
        assert isinstance(load_object(data), dict)
    except Malformed:
        return


@pytest.mark.parametrize("text", ["[]", '"a"', "1", "null", "true", "[{}]"])
def test_a_document_is_an_object(text: str) -> None:
    with pytest.raises(Malformed, match="not a JSON object"):
        load_object(text.encode())


@pytest.mark.parametrize("text", ['{"a":1,"a":1}', '{"a":1,"\\u0061":2}', '{"x":[{"b":1,"c":2,"b":3}]}', '{"":0,"":0}'])
def test_a_member_stands_once(text: str) -> None:
    with pytest.raises(Malformed, match="twice"):
        load_object(text.encode())


@pytest.mark.parametrize("number", [0, 1, -1, 2**53 + 1, 2**63 - 1, -(2**63) + 1])
def test_whole_numbers_of_64_bits_are_read_exactly(number: int) -> None:
    assert load_object(b'{"n":%d}' % number) == {"n": number}


@pytest.mark.parametrize("digits", [str(2**63), str(-(2**63) - 1), "9" * 20, "-" + "9" * 19, "9" * 5000])
def test_larger_integers_are_refused(digits: str) -> None:
    with pytest.raises(Malformed, match="64 bits"):
        load_object(b'{"n":%b}' % digits.encode())


@pytest.mark.parametrize("number", ["1.0", "1e2", "1E400", "-0.0", "1e-9", "0.1", "NaN", "Infinity", "-Infinity"])
def test_only_whole_numbers_are_used(number: str) -> None:
    with pytest.raises(Malformed):
        load_object(b'{"n":%b}' % number.encode())


@pytest.mark.parametrize("number", ["01", "+1", "0x1", "1_0", ".5", "1.", "٣", "--1"])
def test_other_spellings_of_numbers_are_not_json(number: str) -> None:
    with pytest.raises(Malformed):
        load_object(b'{"n":%b}' % number.encode())


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":"\\ud800"}',
        b'{"\\udfff":1}',
        b'{"a":["\\ud800x"]}',
        b'{"a":"\\udc00\\ud800"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xff"}',
        b'{"a":"\xc0\xaf"}',
    ],
)
def test_what_is_not_unicode_text_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed, match="UTF-8"):
        load_object(data)


def test_an_escaped_pair_is_one_character() -> None:
    assert load_object(b'{"a":"\\ud83d\\ude00"}') == {"a": "😀"}


@pytest.mark.parametrize(
    "data", [b"\xef\xbb\xbf{}", b"{}x", b"{}{}", b"{} \x00", b"{}\n,", b"{'a':1}", b'{"a":1,}', b"//\n{}"]
)
def test_nothing_stands_before_or_after_or_beside_the_standard(data: bytes) -> None:
    with pytest.raises(Malformed):
        load_object(data)


@pytest.mark.parametrize("data", [b'{"a":"\n"}', b'{"a":"\x00"}', b'{"a":"\x1b[2J"}'])
def test_a_raw_control_character_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        load_object(data)


@pytest.mark.parametrize("shape", ['{"a":', "["])
def test_any_depth_is_read_or_malformed(shape: str) -> None:
    """At no depth does the parser's own limit escape as something else."""
    for depth in [*range(1, 1_200), 10_000, 200_000]:
        closing = "]" if shape == "[" else "}"
        inner = shape * depth + "1" + closing * depth
        try:
            load_object(f'{{"x":{inner},"s":"\\u0041"}}'.encode())
        except Malformed:
            continue


def test_a_fault_is_placed() -> None:
    with pytest.raises(Malformed) as caught:
        load_object(b'{"a":1,\n"b":}')
    assert caught.value.where == "line 2, column 5"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_cannot_be_read_back_is_not_written(value: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical({"a": value})


def test_the_canonical_spelling_has_no_white_space_and_keeps_its_letters() -> None:
    assert canonical({"b": [1, None], "a": "é"}) == '{"a":"é","b":[1,null]}'.encode()
    assert json.loads(canonical({"a": "\u2028"})) == {"a": "\u2028"}
