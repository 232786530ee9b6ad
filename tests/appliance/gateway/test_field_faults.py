"""What users of other gateways suffer from, each by its name, and the tests by which it is not to be found here.

Those that no other test is about are tried below, over a real wire.
"""

from __future__ import annotations

import ast
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.appliance.gateway.frames import DONE, content, finish, frame, usage
from tests.appliance.gateway.test_wire_limits import memory_mib
from tests.appliance.gateway.upstreams import (
    END,
    STREAM_HEAD,
    WHOLE,
    WORDS,
    Script,
    Upstream,
    answer_body,
    chunk,
    reply,
    write,
)
from tests.appliance.gateway.wire import stream
from tests.appliance.gateways import Gateway, models_text

TESTS = Path(__file__).resolve().parents[2]

SUFFERINGS: dict[str, tuple[str, ...]] = {
    "a client that leaves in mid-stream has no ledger row": (
        "appliance/gateway/test_wire_departure.py::test_leaving_in_the_middle_of_a_stream_ends_the_call_upstream",
    ),
    "a call that is no stream is dropped the same way": (
        "appliance/gateway/test_wire_departure.py::test_leaving_before_the_first_byte_ends_the_call_upstream",
        "appliance/gateway/test_wire_drain.py::test_an_answer_that_nobody_waits_for_any_more_is_counted",
    ),
    "an explicit zero of usage is replaced by an estimate": (
        "appliance/gateway/test_wire_stream.py::test_an_explicit_zero_is_not_replaced_by_an_estimate",
        "appliance/gateway/test_stream.py::test_an_explicit_zero_is_a_report",
        "appliance/gateway/test_event_stream.py::test_an_explicit_zero_is_a_count",
    ),
    "a departed client is counted for far less than the provider bills": (
        "appliance/gateway/test_wire_drain.py::test_a_stream_that_nobody_reads_any_more_is_counted_to_its_end",
        "appliance/gateway/test_wire_drain.py::test_a_stream_without_an_end_is_cut_when_its_time_is_over",
    ),
    "what was estimated is mixed with what was reported": (
        "appliance/gateway/test_wire_stream.py::test_a_stream_without_usage_is_estimated",
    ),
    "a whole stream is held back": (
        "appliance/gateway/test_wire_stream.py::test_chunks_go_out_as_they_come",
        "appliance/gateway/test_stream.py::test_each_frame_goes_out_as_soon_as_it_is_whole",
        "appliance/gateway/test_wire_endpoints.py::test_sound_streams_out_and_is_recorded",
    ),
    "heartbeats starve behind a read of a fixed size": (
        "appliance/gateway/test_field_faults.py::test_a_heartbeat_of_two_bytes_is_not_kept_waiting_for_more",
    ),
    "a reverse proxy in front is never told not to hold back": (
        "appliance/gateway/test_wire_stream.py::test_a_good_stream_ends_with_done_once",
    ),
    "lines with the size of a chunk are taken for headers": (
        "appliance/gateway/test_field_faults.py::test_sizes_of_chunks_are_never_taken_for_anything_else",
    ),
    "frames or characters that are split over reads are dropped": (
        "appliance/gateway/test_field_faults.py::test_characters_and_frames_that_come_byte_by_byte_arrive_whole",
        "appliance/gateway/test_stream.py::test_a_cut_at_any_byte_changes_nothing",
        "appliance/gateway/test_event_stream.py::test_a_stream_cut_at_every_byte_is_the_same_stream",
    ),
    "N workers give N times the cap": (
        "appliance/gateway/test_serving.py::test_the_cap_is_the_sites_over_all_workers_and_over_a_restart",
        "appliance/gateway/test_wire_caps.py::test_calls_at_once_are_counted_over_all_workers_and_a_client_that_leaves_"
        "frees_its_place",
        "appliance/gateway/test_wire_routing.py::test_the_limit_is_the_sites_over_all_workers",
    ),
    "a limit trips early because counters disagree": (
        "real/test_caps_hold.py::test_no_minute_holds_more_than_the_cap_and_nearly_all_of_it_is_to_be_had",
    ),
    "starting needs the internet": ("real/test_no_network.py::*",),
    "an expired licence is told as one that is not set": (
        "appliance/gateway/test_admission.py::test_calls_are_refused_while_the_licence_does_not_allow_them",
        "appliance/gateway/test_admission.py::test_calls_are_refused_where_there_is_no_licence_or_no_config",
    ),
    "a licence with a dot in it does not verify": (
        "licensing/test_licence.py::test_dots_and_other_signs_in_a_licence_are_text_like_any_other",
    ),
}


@pytest.mark.parametrize("suffering", SUFFERINGS)
def test_each_suffering_has_a_test_of_its_own(suffering: str) -> None:
    for where in SUFFERINGS[suffering]:
        file, _, name = where.partition("::")
        found = [
            node.name
            for node in ast.walk(ast.parse((TESTS / file).read_text(encoding="utf-8")))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
        ]
        assert found if name == "*" else name in found, where


ODD = "5\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n0\r\n\r\n"
"""What a chunk might be taken for, as words of an answer."""
ODD_STREAM = (
    frame(content(f"{WORDS} {ODD}")) + frame(content("1a")) + frame(finish()) + frame(usage(21, 4, None)) + DONE
)
BOMB = gzip.compress(b'{"choices":[],"x":"' + b"0" * (256 * 2**20) + b'"}', 9)


def by_bytes(data: bytes) -> Script:
    """Each byte in a write of its own."""
    return write(*(part for n in range(len(data)) for part in (data[n : n + 1], 0.0)))


FAULTY: dict[str, Script] = {
    "sizes": by_bytes(
        STREAM_HEAD
        + b"".join(b"00%X;size=1\r\n%b\r\n" % (len(part), part) for part in (ODD_STREAM[:40], ODD_STREAM[40:]))
        + b"0\r\nx-trailer: data: [DONE]\r\n\r\n"
    ),
    "bytes": write(STREAM_HEAD, *(chunk(WHOLE[n : n + 1]) for n in range(len(WHOLE))), END),
    "heartbeats": write(STREAM_HEAD, chunk(b":\n\n"), 0.3, chunk(b":\n\n"), 0.3, chunk(frame(finish()) + DONE), END),
    "bomb": reply(200, BOMB, "content-encoding: gzip"),
    "bomb-stream": reply(200, BOMB, "content-encoding: gzip", kind="text/event-stream"),
    "bomb-error": reply(400, BOMB, "content-encoding: gzip"),
}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Upstream(FAULTY) as server:
        routes = {name: [f"http://127.0.0.1:{server.port}/{name}/v1"] for name in (*FAULTY, "good")}
        made = Gateway(tmp_path_factory.mktemp("field"), models_text(routes))
        made.start()
        yield made
        made.stop()


@pytest.mark.real
def test_sizes_of_chunks_are_never_taken_for_anything_else(faulty: Gateway) -> None:
    answer = stream(faulty, "sizes")
    told = [json.loads(each.removeprefix(b"data: ")) for each in answer.events[:-1]]
    assert told[0]["choices"][0]["delta"]["content"] == f"{WORDS} {ODD}"
    assert told[1]["choices"][0]["delta"]["content"] == "1a"
    assert answer.events[-1] == b"data: [DONE]"
    assert "x-trailer" not in answer.headers
    assert faulty.entry(answer.request_id).completion_tokens == 4
    assert faulty.post("good").json() == answer_body()


@pytest.mark.real
def test_characters_and_frames_that_come_byte_by_byte_arrive_whole(faulty: Gateway) -> None:
    answer = stream(faulty, "bytes", stream_options={"include_usage": True})
    assert answer.body == WHOLE
    assert [each.decode() for each in answer.events]
    assert all(piece.endswith(b"\n\n") for _, piece in answer.pieces)


@pytest.mark.real
def test_a_heartbeat_of_two_bytes_is_not_kept_waiting_for_more(faulty: Gateway) -> None:
    answer = stream(faulty, "heartbeats")
    assert [piece for _, piece in answer.pieces[:2]] == [b":\n\n", b":\n\n"]
    assert answer.pieces[1][0] - answer.pieces[0][0] > 0.2
    assert answer.pieces[2][0] - answer.pieces[1][0] > 0.2


@pytest.mark.real
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(("script", "status"), [("bomb", 502), ("bomb-stream", 502), ("bomb-error", 400)])
def test_a_compressed_answer_is_an_error_and_is_never_unpacked(
    faulty: Gateway, script: str, status: int, streaming: bool
) -> None:
    assert faulty.post("good").status_code == 200
    before = memory_mib(faulty)
    answer = faulty.post(script, stream=streaming)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.content) < 1000
    assert memory_mib(faulty) - before < 40
    entry = faulty.entry(answer.headers["x-request-id"])
    assert entry.outcome == ("upstream_refused" if status == 400 else "upstream_failed")
