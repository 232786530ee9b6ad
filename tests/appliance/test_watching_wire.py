"""A leaked key at a real gateway: used from another network, it is paused, told of, and resumed by one command."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from appliance.access.anomaly.history import DAY, HOUR, Happened, History, learn
from appliance.access.kept_histories import put_history
from appliance.access.keys import find_key
from appliance.state.database import transaction
from appliance.state.site import open_site
from tests.appliance.gateway.upstreams import Upstream
from tests.appliance.gateways import Gateway, models_text
from tests.appliance.receivers import SECRET, Receiver

HOME = "127.0.0.0/24"
ELSEWHERE = "127.9.9.9"
"""Another /24 and another /16 of this very host."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


@pytest.fixture
def watched(tmp_path: Path, upstream: Upstream, receiver: Receiver) -> Iterator[Gateway]:
    """A gateway whose key was used from this host around the clock for three weeks, and is watched closely."""
    text = models_text({"good": [f"http://127.0.0.1:{upstream.port}/good/v1"]})
    text += (
        f"webhooks:\n  - name: siem\n    url: {receiver.url}\n    events: ['key.*', 'config.*']\n    secret: {SECRET}\n"
    )
    made = Gateway(tmp_path, text)
    with closing(open_site(made.state)) as site, transaction(site.database) as db:
        put_history(db, find_key(db, "tests").account, _three_weeks())
    made.start()
    yield made
    made.stop()


def _three_weeks() -> History:
    now = time.time_ns() // 1_000_000
    history = History()
    for hours_ago in range(21 * 24, 0, -1):
        for minute in (0, 20, 40):
            at = now - hours_ago * HOUR + minute * 60_000
            learn(history, Happened(at, at + 1000, HOME, "good", 500))
    assert history.began < now - 20 * DAY
    return history


def ask_from(gateway: Gateway, source: str) -> httpx.Response:
    """One call with the same key from that address of this host."""
    with httpx.Client(transport=httpx.HTTPTransport(local_address=source), trust_env=False) as client:
        body = {"model": "good", "messages": [{"role": "user", "content": "PROMPT-MARKER"}]}
        headers = {"authorization": f"Bearer {gateway.key}"}
        return client.post(gateway.url + "/v1/chat/completions", json=body, headers=headers, timeout=30)


def said(gateway: Gateway, *words: str) -> dict[str, object]:
    done = gateway.ao(*words, "--json")
    assert done.returncode == 0, done.stderr
    told: dict[str, object] = json.loads(done.stdout)
    return told


def test_a_leaked_key_is_paused_told_of_and_resumed(watched: Gateway, receiver: Receiver) -> None:
    said(
        watched, "anomaly", "set", "--org", "hospital", "--team", "ward-3", "--sensitivity", "high", "--mode", "enforce"
    )
    assert ask_from(watched, "127.0.0.1").status_code == 200
    assert ask_from(watched, ELSEWHERE).status_code == 200

    event = receiver.wait_for(1, event="key.auto_paused")[0]
    assert event.is_signed_with(SECRET)
    detail = event.event["data"]["detail"]
    assert "127.9.9.0/24" in detail["signals"]
    assert detail["score"] >= detail["threshold"] == 50
    assert b"PROMPT-MARKER" not in event.body
    assert watched.key.encode() not in event.body

    refused = ask_from(watched, "127.0.0.1")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "key_paused")
    shown = said(watched, "keys", "show", "tests")
    assert shown["state"] == "paused"
    assert "127.9.9.0/24" in str(shown["paused_because"])
    assert f"ao keys resume {shown['id']}" in str(shown["paused_because"])
    acts = said(watched, "audit", "search", "--act", "key.auto_pause")["entries"]
    assert [each["who"] for each in acts] == ["anomaly watch"]  # type: ignore[attr-defined]
    found = said(watched, "anomaly", "list", "--key", "tests")["findings"]
    assert [each["paused"] for each in found] == [True]  # type: ignore[attr-defined]

    said(watched, "keys", "resume", "tests")
    receiver.wait_for(1, event="key.resumed")
    for source in (ELSEWHERE, "127.0.0.1", ELSEWHERE):
        assert ask_from(watched, source).status_code == 200
    _wait_until_known(watched)
    assert said(watched, "keys", "show", "tests")["state"] == "active"
    assert len([each for each in receiver.received if each.headers["ao-event"] == "key.auto_paused"]) == 1


def test_in_shadow_a_key_is_told_of_and_goes_on(watched: Gateway, receiver: Receiver) -> None:
    said(watched, "anomaly", "set", "--sensitivity", "high")
    assert ask_from(watched, "127.0.0.1").status_code == 200
    assert ask_from(watched, ELSEWHERE).status_code == 200
    receiver.wait_for(1, event="key.suspected")
    assert ask_from(watched, ELSEWHERE).status_code == 200
    watched.stop()
    shown = said(watched, "anomaly", "show", "tests")
    assert set(shown["networks"]) == {HOME, "127.9.9.0/24"}  # type: ignore[call-overload]
    assert shown["requests"] == 3 * 21 * 24 + 3


def test_refused_calls_of_a_known_key_are_seen_and_the_network_leaves_no_trace_beyond_the_journal(
    watched: Gateway, receiver: Receiver
) -> None:
    said(watched, "anomaly", "set", "--sensitivity", "high", "--mode", "enforce")
    for _ in range(25):
        assert watched.post("no-such-model").status_code == 404
    assert watched.post("good").status_code == 200
    watched.stop()
    shown = said(watched, "anomaly", "show", "tests")
    assert "25 refused requests" in str(shown["words"])
    with closing(open_site(watched.state)) as site:
        columns = {row["name"] for row in site.database.execute("PRAGMA table_info(ledger)")}
    assert "source" not in columns
    assert {line.source for line in watched.lines() if hasattr(line, "source")} == {HOME}


def _wait_until_known(gateway: Gateway) -> None:
    """Until the watch has judged the last call from elsewhere."""
    deadline = time.monotonic() + 30
    while True:
        network = said(gateway, "anomaly", "show", "tests")["networks"]
        last = network.get("127.9.9.0/24", {}).get("last")  # type: ignore[attr-defined]
        judged = last is not None and datetime.fromisoformat(last) >= _last_call_from_elsewhere(gateway)
        if judged:
            return
        assert time.monotonic() < deadline, network
        time.sleep(0.1)


def _last_call_from_elsewhere(gateway: Gateway) -> datetime:
    at = max(line.started_at for line in gateway.lines() if getattr(line, "source", "") == "127.9.9.0/24")
    return datetime.fromtimestamp(at // 1000, UTC)
