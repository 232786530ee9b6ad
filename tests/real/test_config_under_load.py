"""Configs that come, go back and take deployments away under two workers full of calls: no app notices."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import openai
import pytest

from appliance.ledger.entry import Entry
from appliance.operations.config_history import find_way_back, go_back
from appliance.state.site import open_site
from tests.appliance.gateway.upstreams import SCRIPTS, WORDS, Upstream
from tests.appliance.gateways import Gateway, models_text
from tests.appliance.sites import any_secret, put_config

pytestmark = pytest.mark.real

ROUNDS = 10
PIECES = 8
"""What the model server's `paced` stream holds."""


@dataclass(frozen=True)
class Call:
    """It was let in at some time between `asked` and `answered` (monotonic seconds)."""

    id: str
    asked: float
    answered: float


@dataclass
class Times:
    """When which config began to come into force, and when it had come."""

    spans: list[tuple[int, float, float]] = field(default_factory=list)

    def could_be(self, call: Call) -> set[int]:
        """The serials under which this call may have been admitted."""
        done = [come for _, _, come in self.spans[1:]] + [float("inf")]
        return {
            serial
            for (serial, begun, _), gone in zip(self.spans, done, strict=True)
            if begun <= call.answered and call.asked <= gone
        }


Act = Callable[[openai.OpenAI], tuple[str, float]]


class Load:
    """Apps that ask without a pause until they are told to stop; `failed` is what any of them had to say."""

    def __init__(self, gateway: Gateway) -> None:
        self.calls: list[Call] = []
        self.failed: list[str] = []
        self.stop = threading.Event()
        self._gateway = gateway

    @contextmanager
    def running(self) -> Iterator[None]:
        acts = [self.streams, self.streams, self.asks, self.asks_over_http]
        threads = [threading.Thread(target=self._run, args=(act,)) for act in acts]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stop.set()
            for thread in threads:
                thread.join(60)

    def _run(self, act: Act) -> None:
        http = openai.DefaultHttpxClient(trust_env=False, timeout=60)
        with openai.OpenAI(base_url=f"{self._gateway.url}/v1", api_key=self._gateway.key, max_retries=0,
                           http_client=http) as client:  # fmt: skip
            while not self.stop.is_set():
                asked = time.monotonic()
                try:
                    identity, answered = act(client)
                except Exception as error:
                    self.failed.append(f"{type(error).__name__}: {error}")
                else:
                    self.calls.append(Call(identity, asked, answered))

    @staticmethod
    def streams(client: openai.OpenAI) -> tuple[str, float]:
        reply = client.chat.completions.with_raw_response.create(
            model="paced", messages=[{"role": "user", "content": "hello"}], stream=True
        )
        answered = time.monotonic()
        words = [chunk.choices[0].delta.content for chunk in reply.parse() if chunk.choices]
        assert [each for each in words if each] == [f"{WORDS} {n}" for n in range(PIECES)]
        return str(reply.headers["x-request-id"]), answered

    @staticmethod
    def asks(client: openai.OpenAI) -> tuple[str, float]:
        reply = client.chat.completions.with_raw_response.create(
            model="good", messages=[{"role": "user", "content": "hello"}]
        )
        answered = time.monotonic()
        assert reply.parse().choices[0].message.content == WORDS
        return str(reply.headers["x-request-id"]), answered

    def asks_over_http(self, _: openai.OpenAI) -> tuple[str, float]:
        """A connection of its own for each call."""
        reply = self._gateway.post("good")
        answered = time.monotonic()
        assert reply.status_code == 200, reply.text
        time.sleep(0.02)
        return reply.headers["x-request-id"], answered


@pytest.fixture
def gateway(tmp_path: Path, upstream: Upstream) -> Iterator[Gateway]:
    made = Gateway(tmp_path, routes(upstream), workers=2)
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


def routes(upstream: Upstream, **more: list[str]) -> str:
    """`paced` and `good` are always there; `more` are other aliases by their scripts."""

    def base(script: str) -> str:
        assert script in SCRIPTS
        return f"http://127.0.0.1:{upstream.port}/{script}/v1"

    every = {"paced": ["paced"], "good": ["good"], **more}
    return models_text({alias: [base(script) for script in scripts] for alias, scripts in every.items()})


def bring(gateway: Gateway, serial: int, text: str) -> None:
    with closing(open_site(gateway.state)) as site:
        put_config(site, text, now=datetime.now(UTC).replace(microsecond=0), serial=serial)


def back(gateway: Gateway) -> int:
    with closing(open_site(gateway.state)) as site:
        now = datetime.now(UTC).replace(microsecond=0)
        way = find_way_back(site, None, any_secret, now)
        go_back(site, way, now)
        return way.former.serial


def test_no_request_fails_while_configs_come_and_go(gateway: Gateway, upstream: Upstream) -> None:
    times = Times([(1, 0.0, 0.0)])
    load = Load(gateway)
    with load.running():
        for number in range(2, 2 + ROUNDS):
            time.sleep(0.2)
            begun = time.monotonic()
            if number % 3 == 0:
                serial = back(gateway)
            else:
                serial = number
                bring(gateway, serial, routes(upstream, **{f"only-{serial}": ["good"]}))
            times.spans.append((serial, begun, time.monotonic()))
        time.sleep(1.2)
    assert load.failed == []
    entries = {line.id: line for line in gateway.lines() if isinstance(line, Entry)}
    assert len(load.calls) == len(entries) > 2 * ROUNDS
    strangers = [
        (entries[call.id].config_serial, times.could_be(call))
        for call in load.calls
        if entries[call.id].config_serial not in times.could_be(call)
    ]
    assert strangers == [], "each call is booked under a config that was in force when it was let in"
    assert {entry.status for entry in entries.values()} == {200}
    assert len({entry.config_serial for entry in entries.values()}) >= 3, "calls met several configs"


def test_a_stream_ends_on_the_config_that_it_began_with(gateway: Gateway, upstream: Upstream) -> None:
    bring(gateway, 2, routes(upstream, leaves=["paced"], moves=["paced", "good"]))
    body = {"messages": [{"role": "user", "content": "hello"}], "stream": True}
    headers = {"authorization": f"Bearer {gateway.key}"}
    begun = []
    with httpx.Client(trust_env=False, timeout=60, headers=headers) as client:
        for number in range(6):
            alias = ("leaves", "moves")[number % 2]
            ask = client.build_request("POST", f"{gateway.url}/v1/chat/completions", json={"model": alias, **body})
            begun.append((alias, client.send(ask, stream=True)))
            assert begun[-1][1].status_code == 200
        bring(gateway, 3, routes(upstream, moves=["good"]))
        for _ in range(8):
            refused = gateway.post("leaves", stream=True)
            assert (refused.status_code, refused.json()["error"]["code"]) == (404, "model_not_found")
            moved = gateway.post("moves")
            assert moved.status_code == 200
            assert gateway.entry(moved.headers["x-request-id"]).config_serial == 3
        for alias, reply in begun:
            text = reply.read().decode()
            assert text.count(WORDS) == PIECES
            assert text.rstrip().endswith("data: [DONE]")
            entry = gateway.entry(reply.headers["x-request-id"])
            assert (entry.model, entry.config_serial, entry.status) == (alias, 2, 200)
    assert back(gateway) == 2
    again = gateway.post("leaves", stream=True)
    assert again.status_code == 200
    assert gateway.entry(again.headers["x-request-id"]).config_serial == 2
