"""What the gateway makes of model servers that do not answer, and what it never tells about them."""

from __future__ import annotations

import json

import pytest

from tests.appliance.gateway.upstreams import Upstream
from tests.appliance.gateway.wire import stream
from tests.appliance.gateways import UPSTREAM_KEY, Gateway

pytestmark = pytest.mark.real

EITHER = ["after-refused", "after-500", "after-429", "after-401", "after-404", "after-no-head", "after-half-a-head"]


@pytest.mark.parametrize("alias", [*EITHER, "after-html"])
def test_the_next_deployment_answers(gateway: Gateway, upstream: Upstream, alias: str) -> None:
    answer = gateway.post(alias, x_marker=f"next-{alias}")
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"] == "COMPLETION-MARKER"
    entry = gateway.entry(answer.headers["x-request-id"])
    assert (entry.outcome, entry.attempts, entry.deployment) == ("complete", 2, _last_of(gateway, alias))
    assert upstream.of(f"next-{alias}")[-1].script == "good"


def _last_of(gateway: Gateway, alias: str) -> str:
    shown = json.loads(gateway.ao("config", "show", "--json").stdout)["models"]
    return [str(each["deployment"]) for each in shown if each["alias"] == alias][-1]


@pytest.mark.parametrize("alias", [*EITHER, "after-no-chunk", "after-empty-stream"])
def test_the_next_deployment_streams_before_a_first_byte_has_gone_out(gateway: Gateway, alias: str) -> None:
    answer = stream(gateway, alias)
    assert answer.body.endswith(b"data: [DONE]\n\n")
    assert answer.body.count(b"COMPLETION-MARKER") == 5
    assert gateway.entry(answer.request_id).attempts == 2


def test_there_is_no_second_try_after_the_first_byte(gateway: Gateway, upstream: Upstream) -> None:
    answer = stream(gateway, "not-after-frame", x_marker="one-try")
    assert answer.events[-1].startswith(b"event: error")
    assert [each.script for each in upstream.of("one-try")] == ["dies-after-frame"]
    assert gateway.entry(answer.request_id).attempts == 1


@pytest.mark.parametrize("streaming", [False, True])
def test_what_the_app_did_wrong_is_final(gateway: Gateway, upstream: Upstream, streaming: bool) -> None:
    marker = f"final-{streaming}"
    answer = gateway.post("not-after-400", x_marker=marker, stream=streaming)
    error = answer.json()["error"]
    assert answer.status_code == 422
    assert (error["message"], error["param"]) == ("temperature must be at most 2", "temperature")
    assert [each.script for each in upstream.of(marker)] == ["refuses-422"]
    assert gateway.entry(answer.headers["x-request-id"]).outcome == "upstream_refused"


def test_when_nobody_answers_the_last_reason_is_told(gateway: Gateway) -> None:
    down, busy = gateway.post("all-down"), gateway.post("all-busy")
    assert (down.status_code, down.json()["error"]["code"]) == (502, "upstream_unavailable")
    assert (busy.status_code, busy.json()["error"]["code"]) == (429, "upstream_rate_limited")
    assert busy.headers["retry-after"] == "7"
    assert gateway.entry(down.headers["x-request-id"]).attempts == 2
    assert gateway.post("busy-until").headers["retry-after"] == "9", "a date, told on as seconds"


@pytest.mark.parametrize(
    ("alias", "status", "code"),
    [
        ("busy", 429, "upstream_rate_limited"),
        ("401", 502, "upstream_unavailable"),
        ("403", 502, "upstream_unavailable"),
        ("404", 502, "upstream_unavailable"),
        ("500", 502, "upstream_unavailable"),
        ("redirects", 502, "upstream_unavailable"),
        ("html", 502, "upstream_unavailable"),
        ("broken-json", 502, "upstream_unavailable"),
        ("empty", 502, "upstream_unavailable"),
        ("dies-in-body", 502, "upstream_unavailable"),
        ("dies-before-head", 502, "upstream_unavailable"),
        ("refuses-text", 400, "upstream_refused"),
    ],
)
def test_a_model_server_that_fails_is_told_as_an_error(gateway: Gateway, alias: str, status: int, code: str) -> None:
    for streaming in (False, True):
        answer = gateway.post(alias, stream=streaming)
        assert answer.status_code == status
        assert answer.json()["error"]["code"] == code
        assert answer.headers["content-type"].startswith("application/json")
        outcome = "upstream_refused" if status < 500 else "upstream_failed"
        entry = gateway.entry(answer.headers["x-request-id"])
        assert (entry.outcome, entry.status) == (outcome, status)


@pytest.mark.parametrize("streaming", [False, True])
def test_an_error_of_the_model_server_tells_neither_its_address_nor_its_key(
    gateway: Gateway, upstream: Upstream, streaming: bool
) -> None:
    answer = gateway.post("refuses-400", stream=streaming)
    assert answer.status_code == 400
    assert "bad tools" in answer.json()["error"]["message"]
    assert UPSTREAM_KEY not in answer.text
    assert str(upstream.port) not in answer.text
    assert "127.0.0.1" not in answer.text


def test_usage_in_a_shape_of_its_own_costs_no_answer(gateway: Gateway, upstream: Upstream) -> None:
    answer = gateway.post("odd-usage", x_marker="odd")
    assert answer.status_code == 200
    assert gateway.entry(answer.headers["x-request-id"]).estimated_prompt_tokens > 0


def test_a_reply_beyond_the_limit_is_not_held_in_memory(gateway: Gateway) -> None:
    answer = gateway.post("huge")
    assert answer.status_code == 502
    assert gateway.entry(answer.headers["x-request-id"]).outcome == "upstream_failed"
