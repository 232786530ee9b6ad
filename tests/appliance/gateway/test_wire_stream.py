"""Streams from outside: as they come, whole, and honest about how they ended."""

from __future__ import annotations

import json
import time
from itertools import pairwise

import pytest

from tests.appliance.gateway.frames import DONE
from tests.appliance.gateway.upstreams import FRAMES, PACE, Upstream
from tests.appliance.gateway.wire import Answer, Line, stream
from tests.appliance.gateways import Gateway

pytestmark = pytest.mark.real

HIDDEN = b'"usage": {'


def error_of(answer: Answer) -> dict[str, str]:
    """The error event that a broken stream ends with."""
    name, data = answer.events[-1].split(b"\n")
    assert name == b"event: error"
    error: dict[str, str] = json.loads(data.removeprefix(b"data: "))["error"]
    return error


def test_a_good_stream_ends_with_done_once(gateway: Gateway, upstream: Upstream) -> None:
    answer = stream(gateway, "good", x_marker="good-stream")
    assert (answer.status, answer.whole) == (200, True)
    assert answer.body.count(b"[DONE]") == 1
    assert answer.body.endswith(DONE)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-accel-buffering"] == "no"
    (received,) = upstream.of("good-stream")
    assert received.body["stream_options"] == {"include_usage": True}


def test_usage_is_asked_for_and_kept_from_who_did_not_ask(gateway: Gateway) -> None:
    answer = stream(gateway, "good")
    assert HIDDEN not in answer.body
    entry = gateway.entry(answer.request_id)
    assert (entry.prompt_tokens, entry.completion_tokens) == (21, 4)
    assert (entry.estimated_prompt_tokens, entry.estimated_completion_tokens) == (0, 0)


def test_usage_is_shown_to_who_asked(gateway: Gateway, upstream: Upstream) -> None:
    options = {"include_usage": True, "x_other": 1}
    answer = stream(gateway, "good", x_marker="asked", stream_options=options)
    assert HIDDEN in answer.body
    assert upstream.of("asked")[0].body["stream_options"] == options


def test_other_stream_options_of_the_app_are_kept(gateway: Gateway, upstream: Upstream) -> None:
    stream(gateway, "good", x_marker="options", stream_options={"include_usage": False, "x_other": 1})
    assert upstream.of("options")[0].body["stream_options"] == {"include_usage": True, "x_other": 1}


def test_chunks_go_out_as_they_come(gateway: Gateway) -> None:
    answer = stream(gateway, "paced")
    times = [at for at, _ in answer.pieces]
    assert times[0] < 2 * PACE
    assert times[-1] > 7 * PACE
    assert len(answer.pieces) >= 9
    gaps = [later - earlier for earlier, later in pairwise(times[:8])]
    assert max(gaps) < 3 * PACE


@pytest.mark.parametrize("script", ["cut", "joined", "until-close"])
def test_frames_arrive_whole_however_they_were_sent(gateway: Gateway, script: str) -> None:
    answer = stream(gateway, script)
    shown = [each for each in FRAMES.split(b"\n\n") if each and HIDDEN not in each]
    assert answer.events == [*shown, b"data: [DONE]"]
    assert gateway.entry(answer.request_id).prompt_tokens == 21


def test_frames_with_carriage_returns_arrive_whole(gateway: Gateway) -> None:
    answer = stream(gateway, "crlf")
    shown = [each for each in FRAMES.split(b"\n\n") if each and HIDDEN not in each]
    assert answer.body == b"".join(each + b"\r\n\r\n" for each in shown) + DONE
    assert gateway.entry(answer.request_id).completion_tokens == 4


def test_a_stream_without_usage_is_estimated(gateway: Gateway) -> None:
    entry = gateway.entry(stream(gateway, "no-usage").request_id)
    assert (entry.outcome, entry.prompt_tokens, entry.completion_tokens) == ("complete", 0, 0)
    assert entry.estimated_prompt_tokens > 0
    assert entry.estimated_completion_tokens == 4


def test_an_explicit_zero_is_not_replaced_by_an_estimate(gateway: Gateway) -> None:
    entry = gateway.entry(stream(gateway, "zero-usage").request_id)
    counts = (entry.prompt_tokens, entry.completion_tokens, entry.estimated_prompt_tokens)
    assert (*counts, entry.estimated_completion_tokens) == (0, 0, 0, 0)


def test_a_stream_that_finished_and_only_forgot_its_last_word_is_good(gateway: Gateway) -> None:
    answer = stream(gateway, "no-done")
    assert answer.body.endswith(DONE)
    assert gateway.entry(answer.request_id).outcome == "complete"


@pytest.mark.parametrize("script", ["dies-in-frame", "dies-after-frame", "ends-after-frame", "dies-after-finish"])
def test_a_stream_that_breaks_off_ends_with_an_error_and_without_done(gateway: Gateway, script: str) -> None:
    answer = stream(gateway, script)
    assert answer.status == 200
    assert b"[DONE]" not in answer.body
    assert error_of(answer)["code"] == "upstream_unavailable"
    assert b"COMPLETION-MARKER 1" in answer.events[0]
    entry = gateway.entry(answer.request_id)
    assert entry.outcome == "upstream_failed"
    assert entry.estimated_completion_tokens >= 1


def test_what_was_cut_off_in_the_middle_of_a_frame_does_not_go_out(gateway: Gateway) -> None:
    answer = stream(gateway, "dies-in-frame")
    assert len(answer.events) == 2


def test_an_error_event_of_the_model_server_is_shown_and_recorded(gateway: Gateway) -> None:
    answer = stream(gateway, "error-event")
    assert b"out of memory" in answer.body
    assert gateway.entry(answer.request_id).outcome == "upstream_failed"


def test_an_answer_that_is_no_stream_is_handed_on_as_it_is(gateway: Gateway) -> None:
    answer = stream(gateway, "json-for-stream")
    assert answer.headers["content-type"].startswith("application/json")
    assert json.loads(answer.body)["choices"]
    assert gateway.entry(answer.request_id).prompt_tokens == 21


def test_the_entry_is_written_before_the_last_byte_leaves(gateway: Gateway) -> None:
    with Line(gateway) as line:
        since = line.call("good", stream=True)
        answer = line.chunks(line.head(), since)
        assert answer.whole
        assert gateway.entry(answer.request_id, within=0).outcome == "complete"
        since = line.call("good")
        answer = line.chunks(line.head(), since)
        assert gateway.entry(answer.request_id, within=0).outcome == "complete"


def test_times_of_a_stream_are_recorded(gateway: Gateway) -> None:
    before = time.time() * 1000
    entry = gateway.entry(stream(gateway, "paced").request_id)
    assert entry.first_token_ms is not None
    assert entry.first_token_ms < 2 * PACE * 1000 < 7 * PACE * 1000 < entry.latency_ms
    assert before - 5 <= entry.started_at <= entry.ended_at == entry.started_at + entry.latency_ms
