"""Departed apps at deployments that bill anyway: the call goes on to its true count, within its time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from tests.appliance.gateway.frames import DONE, finish, frame, usage
from tests.appliance.gateway.test_wire_departure import the_entry, wait_for
from tests.appliance.gateway.upstreams import (
    END,
    FIRST,
    PACE,
    SCRIPTS,
    STREAM_HEAD,
    Received,
    Upstream,
    chunk,
    write,
)
from tests.appliance.gateway.wire import Line
from tests.appliance.gateways import Gateway, models_text

pytestmark = pytest.mark.real

_FRAMES = (part for _ in range(12) for part in (chunk(FIRST), PACE))
SCRIPTS["counts-late"] = write(STREAM_HEAD, *_FRAMES, chunk(frame(finish()) + frame(usage(21, 12, None)) + DONE), END)


@pytest.fixture(scope="module")
def draining(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    routes = {
        name: [f"http://127.0.0.1:{upstream.port}/{name}/v1"] for name in ("counts-late", "endless", "late", "good")
    }
    seconds = 1.5
    text = models_text(routes).replace(
        "    provider:\n", f"    on_departure: drain\n    drain_seconds: {seconds}\n    provider:\n"
    )
    made = Gateway(tmp_path_factory.mktemp("draining"), text)
    made.start()
    yield made
    made.stop()


async def _late(received: Received, out: asyncio.StreamWriter) -> None:
    await asyncio.sleep(1.0)
    await SCRIPTS["good"](received, out)


SCRIPTS["late"] = _late


def test_a_stream_that_nobody_reads_any_more_is_counted_to_its_end(draining: Gateway) -> None:
    with Line(draining) as line:
        since = line.call("counts-late", stream=True)
        answer = line.chunks(line.head(), since, at_most=3)
    entry = draining.entry(answer.request_id, within=5)
    assert entry.outcome == "client_gone"
    assert (entry.prompt_tokens, entry.completion_tokens) == (21, 12)
    assert (entry.estimated_prompt_tokens, entry.estimated_completion_tokens) == (0, 0)


def test_an_answer_that_nobody_waits_for_any_more_is_counted(draining: Gateway, upstream: Upstream) -> None:
    with Line(draining) as line:
        line.call("late", x_marker="left-early")
        received = wait_for(upstream, "left-early", closed=False)
        time.sleep(0.3)
    time.sleep(1.5)
    entry = the_entry(draining, received)
    assert (entry.outcome, entry.prompt_tokens, entry.completion_tokens) == ("client_gone", 21, 4)


def test_a_stream_without_an_end_is_cut_when_its_time_is_over(draining: Gateway, upstream: Upstream) -> None:
    with Line(draining) as line:
        since = line.call("endless", stream=True, x_marker="never-ends")
        answer = line.chunks(line.head(), since, at_most=2)
    received = wait_for(upstream, "never-ends", closed=False)
    entry = draining.entry(answer.request_id, within=6)
    assert entry.outcome == "client_gone"
    assert entry.estimated_completion_tokens > 5
    deadline = time.monotonic() + 2
    while received.closed is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
