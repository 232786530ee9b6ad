"""Every fault that a deployment can have: each call ends with an answer, within its time, and the next one answers."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator

import pytest

from tests.appliance.gateway.faults import FAULTS, LATER, at, config_text, entry, never_accepting, self_signed
from tests.appliance.gateway.upstreams import Upstream
from tests.appliance.gateway.wire import stream
from tests.appliance.gateways import Gateway, free_port

pytestmark = pytest.mark.real

WITHOUT_HTTP = ("refused", "never-accepting", "self-signed", "tls-to-plain")
EVERY = [*FAULTS, *WITHOUT_HTTP]
BUDGET_SECONDS = 4.0
SLACK_SECONDS = 10.0
"""For a busy machine. Without limits the servers that hang would take a minute."""


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("faults")
    tls: ssl.SSLContext = self_signed(folder)
    with Upstream({**FAULTS, **LATER}) as plain, Upstream(tls=tls) as secret, never_accepting() as port:
        places = {fault: at(plain, fault) for fault in (*FAULTS, *LATER)} | {
            "refused": f"http://127.0.0.1:{free_port()}/v1",
            "never-accepting": f"http://127.0.0.1:{port}/v1",
            "self-signed": at(secret, "good", scheme="https"),
            "tls-to-plain": at(plain, "good", scheme="https"),
        }
        models = [entry(fault, base) for fault, base in places.items()]
        for fault, base in places.items():
            models += [entry(f"{fault}-then-good", base), entry(f"{fault}-then-good", at(plain, "good"))]
        policy = {"circuit": {"failures": 1000}, "answer_within_seconds": BUDGET_SECONDS, "tell": ["header"]}
        made = Gateway(folder, config_text(models, {"*": policy}))
        made.start()
        yield made
        made.stop()


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("fault", EVERY)
def test_a_call_to_it_ends_with_an_error_in_time(faulty: Gateway, fault: str, streaming: bool) -> None:
    began = time.monotonic()
    answer = faulty.post(fault, stream=streaming)
    took = time.monotonic() - began
    assert took < BUDGET_SECONDS + SLACK_SECONDS
    assert answer.status_code in (429, 502, 503, 504)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"]["code"].startswith("upstream_")
    assert "127.0.0.1" not in answer.text
    entry_made = faulty.entry(answer.headers["x-request-id"])
    assert (entry_made.status, entry_made.attempts) == (answer.status_code, 1)
    assert answer.headers["x-ao-route"].startswith(entry_made.deployment)


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("fault", EVERY)
def test_the_next_one_answers_in_time(faulty: Gateway, fault: str, streaming: bool) -> None:
    began = time.monotonic()
    answer = faulty.post(f"{fault}-then-good", stream=streaming)
    assert time.monotonic() - began < BUDGET_SECONDS + SLACK_SECONDS
    assert answer.status_code == 200
    assert "COMPLETION-MARKER" in answer.text
    assert faulty.entry(answer.headers["x-request-id"]).outcome == "complete"
    assert answer.headers["x-ao-route"].endswith("answered (of your own; as written)")


@pytest.mark.parametrize("fault", LATER)
def test_a_stream_that_fails_later_ends_with_an_error_event_in_time(faulty: Gateway, fault: str) -> None:
    began = time.monotonic()
    answer = stream(faulty, fault)
    assert time.monotonic() - began < BUDGET_SECONDS + SLACK_SECONDS
    assert answer.status == 200
    kind, _, data = answer.events[-1].partition(b"\n")
    assert kind == b"event: error"
    assert json.loads(data.removeprefix(b"data: "))["error"]["code"] in ("upstream_timeout", "upstream_unavailable")
    assert b"[DONE]" not in answer.body
    assert faulty.entry(answer.request_id).outcome == "upstream_failed"


def test_which_fault_it_was_is_told_apart(faulty: Gateway) -> None:
    """What the policy's conditions go by: in the header, since this policy tells."""
    causes = {
        "refused": "unreachable",
        "never-accepting": "unreachable",
        "self-signed": "unreachable",
        "resets": "server_error",
        "hangs": "timeout",
        "drips-body": "timeout",
        "busy": "busy",
        "overloaded": "busy",
        "500": "server_error",
        "html": "server_error",
        "broken-json": "server_error",
    }
    told = {fault: faulty.post(fault).headers["x-ao-route"].split(" ")[1] for fault in causes}
    assert told == causes
