"""Streams of typed events, however they are cut: their end is held back, their usage counted, nothing else changed."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.gateway.dialects.known import DIALECTS
from appliance.gateway.event_stream import GRAMMARS, Bytes, Events, Retold, meter_of
from appliance.gateway.frame_cutter import FRAME_LIMIT_BYTES, FrameTooLarge
from appliance.gateway.stream import Meter, Relay
from appliance.gateway.usage_report import Usage
from tests.appliance.gateway.dialects.calls import USAGE, call_to, delta


def event(kind: str, end: str = "\n", **members: Any) -> bytes:
    told = json.dumps({"type": kind, **members}, ensure_ascii=False)
    return f"event: {kind}{end}data: {told}{end}{end}".encode()


def messages(end: str = "\n") -> list[bytes]:
    start = {"id": "m1", "usage": {"input_tokens": 10, "cache_read_input_tokens": 7, "output_tokens": 1}}
    text = {"type": "text_delta", "text": "Grüße 灯塔"}
    return [
        event("message_start", end, message=start),
        f": a comment{end}{end}".encode(),
        event("ping", end),
        event("content_block_delta", end, index=0, delta=text),
        event("content_block_delta", end, index=0, delta=text),
        event("message_delta", end, delta={"stop_reason": "end_turn"}, usage={"output_tokens": 5}),
        event("message_stop", end),
    ]


def responses(end: str = "\n") -> list[bytes]:
    usage = {"input_tokens": 17, "input_tokens_details": {"cached_tokens": 7}, "output_tokens": 5}
    return [
        event("response.created", end, response={"id": "r1", "usage": None}),
        event("response.output_text.delta", end, delta="Grüße 灯塔"),
        event("response.output_text.delta", end, delta='a "usage": {} that is text'),
        event("response.completed", end, response={"id": "r1", "usage": usage}),
    ]


STREAMS = {"messages": messages, "responses": responses}


def fed(meter: Meter, *chunks: bytes) -> bytes:
    return b"".join(meter.feed(chunk) for chunk in chunks)


@pytest.mark.parametrize("endpoint", STREAMS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_stream_cut_at_every_byte_is_the_same_stream(endpoint: str, end: str) -> None:
    frames = STREAMS[endpoint](end)
    whole = b"".join(frames)
    for cut in range(len(whole) + 1):
        meter = Events(GRAMMARS[endpoint])
        out = fed(meter, whole[:cut], whole[cut:])
        assert out == b"".join(frames[:-1])
        assert meter.finished
        assert meter.done
        assert meter.closing() == frames[-1]
        assert meter.usage == Usage(17, 5, 7)
        assert meter.content_frames == 2


@pytest.mark.parametrize("endpoint", STREAMS)
def test_a_stream_in_single_bytes_is_the_same_stream(endpoint: str) -> None:
    frames = STREAMS[endpoint]()
    meter = Events(GRAMMARS[endpoint])
    assert fed(meter, *(bytes([byte]) for byte in b"".join(frames))) + meter.closing() == b"".join(frames)


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(0, 700), max_size=12), endpoint=st.sampled_from(sorted(STREAMS)))
def test_any_cuts_are_the_same_stream(cuts: list[int], endpoint: str) -> None:
    frames = STREAMS[endpoint]()
    whole = b"".join(frames)
    places = sorted({0, len(whole), *(min(cut, len(whole)) for cut in cuts)})
    meter = Events(GRAMMARS[endpoint])
    out = fed(meter, *(whole[a:b] for a, b in pairwise(places)))
    assert out + meter.closing() == whole


def test_each_frame_goes_out_as_soon_as_it_is_whole() -> None:
    meter = Events(GRAMMARS["messages"])
    for frame in messages()[:-1]:
        assert meter.feed(frame[:-1]) == b""
        assert meter.feed(frame[-1:]) == frame
        assert not meter.finished


def test_data_in_several_lines_is_one_payload() -> None:
    meter = Events(GRAMMARS["messages"])
    stop = b'event: message_stop\ndata: {"type":\ndata: "message_stop"}\n\n'
    assert meter.feed(stop) == b""
    assert meter.closing() == stop


def test_a_megabyte_in_one_event_passes() -> None:
    big = event("content_block_delta", index=0, delta={"type": "text_delta", "text": "x" * 2**20})
    meter = Events(GRAMMARS["messages"])
    pieces = [big[n : n + 16_000] for n in range(0, len(big), 16_000)]
    assert fed(meter, *pieces) == big


def test_an_event_without_an_end_is_no_event() -> None:
    meter = Events(GRAMMARS["messages"])
    with pytest.raises(FrameTooLarge):
        fed(meter, *([b"x" * 2**20] * (FRAME_LIMIT_BYTES // 2**20 + 1)))


def test_a_message_that_breaks_off_has_counted_what_was_asked() -> None:
    """Its one output token is where the count began, not what was answered: that is estimated, and kept apart."""
    meter = Events(GRAMMARS["messages"])
    fed(meter, *messages()[:5])
    assert not meter.finished
    assert meter.usage == Usage(17, 1, 7, partial=True)


def test_an_explicit_zero_is_a_count() -> None:
    meter = Events(GRAMMARS["responses"])
    meter.feed(event("response.completed", response={"usage": {"input_tokens": 0, "output_tokens": 0}}))
    assert meter.usage == Usage(0, 0, 0)


@pytest.mark.parametrize(
    ("endpoint", "failure"),
    [
        ("messages", event("error", error={"type": "overloaded_error", "message": "busy"})),
        ("responses", event("response.failed", response={"error": {"code": "server_error"}, "usage": None})),
        ("responses", event("error", code="x", message="y")),
    ],
)
def test_a_failure_that_is_told_is_the_end_and_no_good_one(endpoint: str, failure: bytes) -> None:
    meter = Events(GRAMMARS[endpoint])
    meter.feed(STREAMS[endpoint]()[0])
    assert meter.feed(failure) == b""
    assert (meter.done, meter.failed, meter.closing()) == (True, True, failure)


def test_several_pictures_end_with_the_last_one() -> None:
    meter = Events(GRAMMARS["images/generations"])
    usage = {"input_tokens": 3, "output_tokens": 9}
    done = [event("image_generation.completed", b64_json=each, usage=usage) for each in ("a", "b")]
    assert meter.feed(event("image_generation.partial_image", b64_json="x") + done[0]) != b""
    assert not meter.done
    assert meter.feed(done[1]) == done[0]
    assert (meter.finished, meter.closing(), meter.usage) == (True, done[1], Usage(3, 9))


def test_plain_bytes_hold_back_only_the_last_piece() -> None:
    meter = Bytes()
    assert [meter.feed(each) for each in (b"a", b"b", b"c")] == [b"", b"a", b"b"]
    assert meter.closing() == b"c"


def test_each_call_is_read_in_its_own_grammar() -> None:
    assert isinstance(meter_of(call_to("chat/completions"), None), Relay)
    assert isinstance(meter_of(call_to("messages"), None), Events)
    assert isinstance(meter_of(call_to("messages"), DIALECTS["messages"]), Retold)


@pytest.mark.parametrize("endpoint", sorted(DIALECTS))
def test_chat_retold_is_the_same_however_it_was_cut(endpoint: str) -> None:
    whole = delta(content="Grüße 灯塔") + delta(content="!") + delta("stop") + USAGE + b"data: [DONE]\n\n"

    def retold(*chunks: bytes) -> bytes:
        meter = meter_of(call_to(endpoint, stream=True), DIALECTS[endpoint])
        out = fed(meter, *chunks)
        assert meter.done
        assert meter.usage == Usage(21, 4)
        return out + meter.closing()

    expected = retold(whole)
    assert all(retold(whole[:cut], whole[cut:]) == expected for cut in range(1, len(whole)))
