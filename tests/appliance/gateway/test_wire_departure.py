"""An app that leaves: nobody computes for nobody, and what was used is recorded once."""

from __future__ import annotations

import time

import pytest

from appliance.ledger.entry import Begun, Entry
from tests.appliance.gateway.upstreams import Received, Upstream
from tests.appliance.gateway.wire import Line
from tests.appliance.gateways import Gateway

pytestmark = pytest.mark.real


def wait_for(upstream: Upstream, marker: str, *, closed: bool) -> Received:
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        found = upstream.of(marker)
        if found and (found[0].closed is not None or not closed):
            return found[0]
        time.sleep(0.005)
    raise AssertionError(f"{marker}: the model server waits in vain")


def the_entry(gateway: Gateway, received: Received) -> Entry:
    """The one entry of the exchange that began at about the time the model server was asked."""
    wall = time.time() * 1000 - (time.monotonic() - received.at) * 1000
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        lines = gateway.lines()
        begun = [each for each in lines if isinstance(each, Begun) and each.model == received.script]
        begun = [each for each in begun if abs(each.started_at - wall) < 100]
        entries = [each for each in lines if isinstance(each, Entry) and each.id in {one.id for one in begun}]
        if entries:
            break
        time.sleep(0.02)
    assert (len(begun), len(entries)) == (1, 1)
    return entries[0]


def test_leaving_in_the_middle_of_a_stream_ends_the_call_upstream(gateway: Gateway, upstream: Upstream) -> None:
    with Line(gateway) as line:
        since = line.call("endless", stream=True, x_marker="leaves-stream")
        answer = line.chunks(line.head(), since, at_most=4)
    left = time.monotonic()
    received = wait_for(upstream, "leaves-stream", closed=True)
    assert received.closed is not None
    assert received.closed - left < 1.0
    entry = gateway.entry(answer.request_id)
    assert entry.outcome == "client_gone"
    assert entry.estimated_prompt_tokens > 0
    assert 4 <= entry.estimated_completion_tokens <= 16
    assert (entry.prompt_tokens, entry.completion_tokens) == (0, 0)


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("script", ["hangs", "hangs-after-head"])
@pytest.mark.parametrize("patience", [0.0, 0.6])
def test_leaving_before_the_first_byte_ends_the_call_upstream(
    gateway: Gateway, upstream: Upstream, streaming: bool, script: str, patience: float
) -> None:
    marker = f"leaves-{script}-{streaming}-{patience}"
    with Line(gateway) as line:
        line.call(script, stream=streaming, x_marker=marker)
        wait_for(upstream, marker, closed=False)
        time.sleep(patience)
    left = time.monotonic()
    received = wait_for(upstream, marker, closed=True)
    assert received.closed is not None
    assert received.closed - left < 1.0
    entry = the_entry(gateway, received)
    assert (entry.outcome, entry.status) == ("client_gone", 499)
    assert entry.estimated_prompt_tokens > 0


def test_leaving_while_sending_leaves_no_trace(gateway: Gateway) -> None:
    """Nothing was admitted, so there is nothing to bill."""
    before = len(gateway.lines())
    with Line(gateway) as line:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {gateway.key}\r\n"
        line.write(head.encode() + b"content-length: 1000\r\n\r\n" + b'{"model":"good",')
        time.sleep(0.1)
    time.sleep(0.3)
    assert len(gateway.lines()) == before


def test_leaving_after_the_answer_is_no_departure(gateway: Gateway) -> None:
    with Line(gateway) as line:
        since = line.call("good", stream=True)
        answer = line.chunks(line.head(), since)
    time.sleep(0.3)
    assert gateway.entry(answer.request_id).outcome == "complete"
