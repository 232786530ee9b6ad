"""From bytes at the door to a call: what routing needs is looked at, the rest passes."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from appliance.gateway.errors import BodiesTakeAllMemory, BodyTooLarge, InvalidRequest
from appliance.gateway.request import (
    BODY_LIMIT_BYTES,
    LARGE_BYTES,
    BodyWatch,
    ClientGone,
    parse_call,
    read_body,
)


def call_of(text: str) -> Any:
    return parse_call("chat/completions", text.encode())


def test_unknown_members_keep_their_very_bytes() -> None:
    call = call_of('{"model":"chat","x":1.10,"big":123456789012345678901,"deep":{"a":[ 1, 2 ]},"u":"\\u00e9"}')
    kept = {name: bytes(raw) for name, raw in call.members.items()}
    assert kept["x"] == b"1.10"
    assert kept["big"] == b"123456789012345678901"
    assert kept["deep"] == b'{"a":[ 1, 2 ]}'
    assert kept["u"] == b'"\\u00e9"'


@pytest.mark.parametrize(
    ("text", "stream", "wants"),
    [
        ('{"model":"m"}', False, False),
        ('{"model":"m","stream":false}', False, False),
        ('{"model":"m","stream":null}', False, False),
        ('{"model":"m","stream":true}', True, False),
        ('{"model":"m","stream": true ,"stream_options":null}', True, False),
        ('{"model":"m","stream":true,"stream_options":{}}', True, False),
        ('{"model":"m","stream":true,"stream_options":{"include_usage":true}}', True, True),
        ('{"model":"m","stream":true,"stream_options":{"include_usage":false,"other":1}}', True, False),
        ('{"model":"m","stream":true,"stream_options":{"include_usage":null}}', True, False),
    ],
)
def test_what_the_app_wants(text: str, stream: bool, wants: bool) -> None:
    call = call_of(text)
    assert (call.model, call.stream, call.wants_usage) == ("m", stream, wants)


@pytest.mark.parametrize(
    ("text", "param"),
    [
        ("", None),
        ("[]", None),
        ('"model"', None),
        ('{"model":"m"', None),
        ('{"model":"m"} x', None),
        ("{}", "model"),
        ('{"model":null}', "model"),
        ('{"model":7}', "model"),
        ('{"model":["m"]}', "model"),
        ('{"model":"m","stream":"yes"}', "stream"),
        ('{"model":"m","stream":1}', "stream"),
        ('{"model":"m","stream_options":7}', "stream_options"),
        ('{"model":"m","stream_options":{"include_usage":"yes"}}', "stream_options"),
    ],
)
def test_a_refusal_names_the_member_at_fault(text: str, param: str | None) -> None:
    with pytest.raises(InvalidRequest) as refused:
        call_of(text)
    assert refused.value.param == param
    assert refused.value.http_status == 400


@pytest.mark.parametrize("text", [b'{"model":"\xff"}', b'{"model":"\\ud800"}', b"\xef\xbb\xbf{}", b"[" * 100_000])
def test_bytes_that_are_no_json_are_refused_and_never_a_fault(text: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse_call("chat/completions", text)


def test_a_prompt_is_in_no_repr() -> None:
    assert "confidential" not in repr(call_of('{"model":"m","messages":"confidential"}'))


class Wire:
    """Hands out the parts of a body, then a departure."""

    def __init__(self, *parts: bytes, whole: bool = True) -> None:
        last = len(parts) - 1
        self._messages: list[dict[str, Any]] = [
            {"type": "http.request", "body": part, "more_body": n < last or not whole} for n, part in enumerate(parts)
        ]

    async def __call__(self) -> Any:
        return self._messages.pop(0) if self._messages else {"type": "http.disconnect"}


def read(wire: Wire) -> bytes:
    async def reading() -> bytes:
        return await read_body(wire, BodyWatch())

    return asyncio.run(reading())


def test_a_body_is_read_whole_or_in_parts() -> None:
    assert read(Wire(b"abc")) == b"abc"
    assert read(Wire(b"a", b"", b"bc")) == b"abc"
    assert read(Wire(b"")) == b""


def test_a_body_of_exactly_the_limit_is_read() -> None:
    assert len(read(Wire(bytes(BODY_LIMIT_BYTES)))) == BODY_LIMIT_BYTES
    assert len(read(Wire(bytes(BODY_LIMIT_BYTES - 1), b"x"))) == BODY_LIMIT_BYTES


@pytest.mark.parametrize("parts", [[BODY_LIMIT_BYTES + 1], [BODY_LIMIT_BYTES, 1], [1, BODY_LIMIT_BYTES]])
def test_a_larger_body_is_refused(parts: list[int]) -> None:
    with pytest.raises(BodyTooLarge):
        read(Wire(*(bytes(size) for size in parts)))


def test_an_app_that_leaves_while_it_sends_is_gone() -> None:
    with pytest.raises(ClientGone):
        read(Wire(b"abc", whole=False))
    with pytest.raises(ClientGone):
        read(Wire())


def test_large_bodies_have_so_much_memory_together_and_no_more() -> None:
    watch = BodyWatch(limit=4 * LARGE_BYTES)
    part = bytes(LARGE_BYTES)

    def taken(*parts: bytes, whole: bool = True) -> bytes:
        async def reading() -> bytes:
            return await read_body(Wire(*parts, whole=whole), watch)

        return asyncio.run(reading())

    first = taken(part, part, b"x")
    assert watch.held == len(first)
    for _ in range(10):
        assert taken(part) == part, "which is not large"
    with pytest.raises(BodiesTakeAllMemory) as refused:
        taken(part, part, part)
    assert (refused.value.http_status, refused.value.headers) == (503, ((b"retry-after", b"1"),))
    with pytest.raises(ClientGone):
        taken(part, b"x", whole=False)
    with pytest.raises(BodiesTakeAllMemory):
        taken(bytes(3 * LARGE_BYTES))
    assert watch.held == len(first), "what was refused or broken off holds nothing"
    watch.let_go(len(first))
    assert watch.held == 0
    assert len(taken(*[part] * 4)) == watch.held


def test_members_decode_as_they_stand() -> None:
    call = call_of('{"model":"a/b:c@d","messages":[{"role":"user","content":"x"}]}')
    assert msgspec.json.decode(call.members["messages"]) == [{"role": "user", "content": "x"}]
    assert call.model == "a/b:c@d"
