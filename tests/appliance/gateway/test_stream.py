"""A stream on its way through: whatever the cuts, what goes out is what came in, less what is not the app's."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.gateway.stream import FRAME_LIMIT_BYTES, FrameTooLarge, Relay
from appliance.gateway.usage_report import Usage, reply_in, usage_of
from tests.appliance.gateway.frames import DONE, content, finish, frame, usage


def usage_in(body: bytes) -> Usage | None:
    return usage_of(reply_in(body))


def relayed(pieces: Iterable[bytes], *, show_usage: bool = False, choices: int = 1) -> tuple[bytes, Relay]:
    """What goes out, and the relay, fed as the gateway feeds it: until it is done."""
    relay = Relay(show_usage=show_usage, choices=choices)
    out = b""
    for piece in pieces:
        if relay.done:
            break
        out += relay.feed(piece)
    return out, relay


def facts(relay: Relay) -> tuple[object, ...]:
    return relay.usage, relay.content_frames, relay.finished, relay.done, relay.failed


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(bounds)]


LF = [frame(content("Grüße, 灯塔 🗼")), frame(content("")), b": heartbeat\n\n", frame(finish()), frame(usage())]
CRLF = [frame(content("Grüße"), "\r\n"), b": ping\r\n\r\n", frame(finish(), "\r\n"), frame(usage(), "\r\n")]
CR = [frame(content("Grüße"), "\r"), frame(finish(), "\r"), frame(usage(), "\r")]
NAMED = [frame(content("a"), prefix="event: chunk\nid: 7\nretry: 10\n"), frame(finish(), prefix="event: end\n")]
MULTILINE = [
    b'data: {"choices":[{"delta":\ndata: {"content":"a"}}]}\n\n',
    b'data: {"choices":[],\ndata:"usage":{}}\n\n',
]
SPOKEN = [frame(content('data: [DONE]\n\ndata: {"usage": {"prompt_tokens": 9}}')), frame(content('"finish_reason":"'))]
NULLS = [frame(content("a", usage=None)), frame(content("b", usage=None, error=None)), frame(finish(usage=None))]
TOGETHER = [frame(content("a", **{"usage": usage(1, 1)["usage"]})), frame(finish(usage=usage(2, 2)["usage"]))]

STREAMS = {
    "line feeds": (LF, LF[:-1], Usage(11, 5, 3)),
    "carriage returns and line feeds": (CRLF, CRLF[:-1], Usage(11, 5, 3)),
    "carriage returns": (CR, CR[:-1], Usage(11, 5, 3)),
    "named events": (NAMED, NAMED, None),
    "several data lines": (MULTILINE, MULTILINE[:-1], Usage(0, 0, 0)),
    "content that speaks of the wire": (SPOKEN, SPOKEN, None),
    "usage that is null": (NULLS, NULLS, None),
    "usage beside content": (TOGETHER, TOGETHER, Usage(2, 2, 3)),
}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("closing", [DONE, b"data:[DONE]\n\n", b"data: [DONE]\r\n\r\n"])
def test_a_cut_at_any_byte_changes_nothing(name: str, closing: bytes) -> None:
    frames, shown, counted = STREAMS[name]
    data = b"".join(frames) + closing
    whole, relay = relayed([data])
    assert whole == b"".join(shown)
    assert (relay.usage, relay.done) == (counted, True)
    for place in range(1, len(data)):
        out, cut_up = relayed([data[:place], data[place:]])
        assert out == whole, f"cut at {place}"
        assert facts(cut_up) == facts(relay), f"cut at {place}"


@pytest.mark.parametrize("name", STREAMS)
def test_one_byte_at_a_time_changes_nothing(name: str) -> None:
    frames, shown, counted = STREAMS[name]
    data = b"".join(frames) + DONE
    out, relay = relayed(data[n : n + 1] for n in range(len(data)))
    assert (out, relay.usage, relay.done) == (b"".join(shown), counted, True)


@pytest.mark.parametrize("name", STREAMS)
def test_who_asks_for_usage_sees_every_frame(name: str) -> None:
    frames = STREAMS[name][0]
    out, relay = relayed([b"".join(frames) + DONE], show_usage=True)
    assert out == b"".join(frames)
    assert relay.usage == STREAMS[name][2]


ANY_FRAME = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=30).map(lambda text: (frame(content(text)), True)),
    st.sampled_from(
        [
            (b": comment\n\n", True),
            (frame(content("x" * 500)), True),
            (frame(content("data: data: data:")), True),
            (frame(content("crlf"), "\r\n"), True),
            (frame(finish(usage=None)), True),
            (frame({"choices": [], "prompt_filter_results": []}), True),
            (frame(content("", **{"usage": usage()["usage"]})), True),
            (frame(usage()), False),
            (frame(usage(0, 0, None)), False),
            (b"event: ping\ndata: {}\n\n", True),
            (b"data: not json\n\n", True),
        ]
    ),
)


@given(st.lists(ANY_FRAME, max_size=12), st.lists(st.integers(0, 100_000), max_size=20), st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_cuts_give_the_input_less_what_is_hidden(
    frames: list[tuple[bytes, bool]], places: list[int], show_usage: bool
) -> None:
    data = b"".join(each for each, _ in frames) + DONE
    whole, once = relayed([data], show_usage=show_usage)
    out, relay = relayed(cut(data, places), show_usage=show_usage)
    assert out == whole == b"".join(each for each, shown in frames if shown or show_usage)
    assert relay.done
    assert facts(relay) == facts(once)


def test_each_frame_goes_out_as_soon_as_it_is_whole() -> None:
    relay = Relay(show_usage=False)
    for each in LF[:-1]:
        assert relay.feed(each[:-1]) == b""
        assert relay.feed(each[-1:]) == each


def test_nothing_goes_out_after_the_closing_frame() -> None:
    relay = Relay(show_usage=False)
    assert relay.feed(frame(content("a")) + DONE + frame(content("b"))) == frame(content("a"))
    assert relay.done


def test_content_is_counted_by_frames_wherever_they_are_cut() -> None:
    """The estimate where an upstream reports nothing: the app's words must not raise it."""
    data = frame(content("see data: uri data: image/png")) + frame(content("b"))
    for place in range(len(data) + 1):
        _, relay = relayed([data[:place], data[place:]])
        assert relay.content_frames == 2


@pytest.mark.parametrize("count", [0, 1, 2**40])
def test_an_explicit_zero_is_a_report(count: int) -> None:
    _, relay = relayed([frame(usage(count, 0, None)) + DONE])
    assert relay.usage == Usage(count, 0, 0)


def test_usage_that_comes_more_than_once_is_the_last_one() -> None:
    _, relay = relayed([frame(usage(1, 1)) + frame(usage(5, 9, 2)) + DONE])
    assert relay.usage == Usage(5, 9, 2)


@pytest.mark.parametrize("text", ['"usage" : {', '"usage":  {', '"usage"\t:{'])
def test_usage_is_seen_however_its_json_is_spaced(text: str) -> None:
    body = '{"choices":[],' + text + '"prompt_tokens":4,"completion_tokens":2}}'
    out, relay = relayed([b"data: " + body.encode() + b"\n\n" + DONE])
    assert (out, relay.usage) == (b"", Usage(4, 2, 0))


@pytest.mark.parametrize("blank", ["\n\r\n", "\r\n\n", "\r\n\r", "\r\r\n", "\n\r"])
def test_a_blank_line_ends_a_frame_whatever_line_ends_are_mixed(blank: str) -> None:
    """WHATWG HTML, server-sent events: each line ends in LF, CRLF or CR by itself."""
    relay = Relay(show_usage=False)
    first = b'data: {"choices":[{"delta":{}}]}' + blank.encode()
    out = relay.feed(first + b"data: ")
    assert out.rstrip(b"\r\n") == first.rstrip(b"\r\n")


@pytest.mark.parametrize("reason", ["stop", "length", "tool_calls", "content_filter"])
def test_a_finish_reason_is_noticed(reason: str) -> None:
    body = {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
    for data in (frame(body), b"data: " + msgspec.json.encode(body) + b"\n\n"):
        assert relayed([data])[1].finished


def test_a_stream_of_several_choices_is_finished_when_all_are() -> None:
    both = {"choices": [{"index": n, "delta": {"content": "a"}, "finish_reason": None} for n in range(2)]}
    ends = [{"choices": [{"index": n, "delta": {}, "finish_reason": "stop"}]} for n in range(2)]
    assert not relayed([frame(both), frame(ends[0])], choices=2)[1].finished
    assert relayed([frame(both), frame(ends[0]), frame(ends[1])], choices=2)[1].finished


@pytest.mark.parametrize("error", [{"message": "out of memory"}, "out of memory"])
def test_an_error_inside_a_stream_is_noticed_and_shown(error: object) -> None:
    data = frame({"error": error})
    out, relay = relayed([frame(content("a")) + data + DONE])
    assert out.endswith(data)
    assert relay.failed


def test_a_last_frame_without_its_blank_line_is_held_back() -> None:
    out, relay = relayed([frame(content("a")) + b"data: [DONE]"])
    assert (out, relay.done) == (frame(content("a")), False)


def test_a_large_frame_goes_through_in_small_reads_without_stalling_others() -> None:
    """A megabyte in reads of 4 KiB. The worker serves nobody else meanwhile, so the work must grow with the bytes."""
    data = frame(content("x" * 2**20))
    started = time.process_time()
    out, _ = relayed(data[n : n + 4096] for n in range(0, len(data), 4096))
    assert out == data
    assert time.process_time() - started < 0.25


def test_a_frame_without_an_end_is_refused_at_the_limit() -> None:
    relay = Relay(show_usage=False)
    part = b"data: " + b"x" * (1024 * 1024 - 6)
    for _ in range(FRAME_LIMIT_BYTES // len(part)):
        assert relay.feed(part) == b""
    with pytest.raises(FrameTooLarge):
        relay.feed(b"x")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"usage":{"prompt_tokens":3,"completion_tokens":4}}', Usage(3, 4, 0)),
        (b'{"usage":{"prompt_tokens":0,"completion_tokens":0}}', Usage(0, 0, 0)),
        (b'{"usage":{"prompt_tokens":7,"total_tokens":7},"data":[]}', Usage(7, 0, 0)),
        (b'{"usage":{"prompt_tokens":9,"prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0}}}', Usage(9, 0, 4)),
        (b'{"usage":{"prompt_tokens":9,"prompt_tokens_details":null}}', Usage(9, 0, 0)),
        (b'{"usage":null}', None),
        (b'{"choices":[]}', None),
        (b'{"usage":{"prompt_tokens":-3,"completion_tokens":4}}', None),
    ],
)
def test_the_usage_of_a_whole_reply(body: bytes, expected: Usage | None) -> None:
    assert usage_in(body) == expected


@pytest.mark.parametrize("count", [2**63, 2**62 + 1, 10**30])
def test_a_count_beyond_what_a_usage_file_can_hold_is_no_count(count: int) -> None:
    body = b'{"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":1}}' % count
    assert usage_in(body) is None
    assert relayed([b"data: " + body + b"\n\n" + DONE])[1].usage is None


@pytest.mark.parametrize(
    "usage_text",
    [b'{"prompt_tokens":3.0}', b'{"prompt_tokens":"3"}', b"[]", b'"none"', b'{"prompt_tokens_details":[]}'],
)
def test_usage_in_a_shape_of_its_own_does_not_make_an_answer_unreadable(usage_text: bytes) -> None:
    """The answer is JSON and the app's; asking another deployment again would cost twice."""
    assert usage_in(b'{"choices":[{"index":0}],"usage":' + usage_text + b"}") in (None, Usage(3, 0, 0), Usage(0, 0, 0))


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"text"', b'{"usage":'])
def test_what_is_no_json_object_is_no_reply(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        usage_in(body)
