"""Caps at a real gateway with real workers: held over all of them, freed by every way in which a call can end."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.appliance.gateway.upstreams import Upstream
from tests.appliance.gateways import Gateway, models_text

pytestmark = pytest.mark.real

WORKERS = 3


@pytest.fixture
def gateway(tmp_path: Path, upstream: Upstream) -> Iterator[Gateway]:
    routes = {name: [f"http://127.0.0.1:{upstream.port}/{name}/v1"] for name in ("good", "endless", "refuses-422")}
    made = Gateway(tmp_path, models_text(routes), workers=WORKERS)
    made.start()
    yield made
    made.stop()


def limited(gateway: Gateway, *words: str) -> None:
    said = gateway.ao(*words)
    assert said.returncode == 0, said.stderr


def used(gateway: Gateway, name: str) -> int:
    found = json.loads(gateway.ao("teams", "show", "hospital", "ward-3", "--json").stdout)
    count: int = found["uses"][0]["used"][name]
    return count


def until(true: Callable[[], bool], within: float = 10.0) -> None:
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


def begun(gateway: Gateway, stack: ExitStack) -> httpx.Response:
    """A stream that goes on for as long as the stack is open, on a connection of its own."""
    client = stack.enter_context(httpx.Client(trust_env=False, timeout=30))
    body: dict[str, Any] = {"model": "endless", "stream": True, "messages": [{"role": "user", "content": "x"}]}
    headers = {"authorization": f"Bearer {gateway.key}"}
    url = f"{gateway.url}/v1/chat/completions"
    return stack.enter_context(client.stream("POST", url, json=body, headers=headers))


def test_calls_at_once_are_counted_over_all_workers_and_a_client_that_leaves_frees_its_place(gateway: Gateway) -> None:
    limited(gateway, "teams", "limit", "hospital", "ward-3", "--concurrent", "2")
    with ExitStack() as stack:
        assert [begun(gateway, stack).status_code for _ in range(2)] == [200, 200]
        refused = gateway.post("good")
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_at_once")
        assert "The team hospital/ward-3 allows 2 calls at once" in refused.json()["error"]["message"]
        assert refused.headers["retry-after"] == "1"
    until(lambda: used(gateway, "concurrent") == 0)
    assert gateway.post("good").status_code == 200


def test_a_worker_that_is_killed_frees_the_places_of_its_calls(gateway: Gateway) -> None:
    limited(gateway, "teams", "limit", "hospital", "ward-3", "--concurrent", "2")
    with ExitStack() as stack:
        assert [begun(gateway, stack).status_code for _ in range(2)] == [200, 200]
        for worker in gateway.workers():
            os.kill(worker, signal.SIGKILL)
        until(gateway.listens, 20)
        until(lambda: used(gateway, "concurrent") == 0, 20)


def test_a_call_that_failed_gives_back_what_it_had_reserved(gateway: Gateway) -> None:
    limited(gateway, "teams", "limit", "hospital", "ward-3", "--tpm", "5000")
    for _ in range(3):
        assert gateway.post("refuses-422", max_tokens=4000).status_code == 422
    assert used(gateway, "tpm") < 500
    assert gateway.post("good", max_tokens=4000).status_code == 200


def test_a_budget_outlives_restarts_and_the_file_that_it_is_counted_in(gateway: Gateway) -> None:
    limited(gateway, "orgs", "limit", "hospital", "--tokens-month", "60")
    answers = [gateway.post("good") for _ in range(8)]
    refused = [each for each in answers if each.status_code == 429]
    assert refused
    assert {each.json()["error"]["code"] for each in refused} == {"quota_exhausted"}
    assert "The organisation hospital allows 60 tokens a month" in refused[0].json()["error"]["message"]
    gateway.stop()
    (gateway.state / "quota").unlink()
    gateway.start()
    until(lambda: gateway.post("good").status_code == 429, 5)


def test_a_cap_holds_from_the_next_request_and_so_does_taking_it_away(gateway: Gateway) -> None:
    assert "x-ratelimit-limit-requests" not in gateway.post("good").headers
    limited(gateway, "keys", "limit", "tests", "--rpm", "1")
    first = gateway.post("good")
    assert (first.status_code, first.headers["x-ratelimit-limit-requests"]) == (200, "1")
    refused = gateway.post("good")
    assert "This API key allows 1 requests a minute" in refused.json()["error"]["message"]
    assert 55 <= int(refused.headers["retry-after"]) <= 61
    counted = 'ao_quota_refusals_total{limit="rpm",tier="key"} 1.0'
    until(lambda: counted in httpx.get(f"{gateway.url}/metrics", timeout=10, trust_env=False).text.splitlines())
    limited(gateway, "keys", "limit", "tests", "--no", "rpm")
    assert gateway.post("good").status_code == 200
