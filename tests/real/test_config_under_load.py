"""Configs change under load and no call notices: none is dropped, and each ends on the config that it began with."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.operations.config import activate_config, examine_bytes
from appliance.operations.config_history import find_way_back, go_back
from appliance.state.site import open_site
from tests.appliance.gateway.upstreams import Upstream
from tests.appliance.gateway.wire import stream
from tests.appliance.gateways import Gateway, models_text
from tests.appliance.papers import config_bytes
from tests.appliance.sites import any_secret

pytestmark = pytest.mark.real

ROUNDS = 12
CALLERS = 4


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


def routes(upstream: Upstream, *scripts: str) -> str:
    return models_text({each: [f"http://127.0.0.1:{upstream.port}/{each}/v1"] for each in scripts})


def put(gateway: Gateway, text: str, serial: int) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    with closing(open_site(gateway.state)) as site:
        data = config_bytes(text, serial=serial, now=now)
        activate_config(site, examine_bytes(site, data, any_secret, now), now)


def take_back(gateway: Gateway) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    with closing(open_site(gateway.state)) as site:
        go_back(site, find_way_back(site, None, any_secret, now), now)


def test_no_call_is_dropped_while_configs_come_and_go(tmp_path: Path, upstream: Upstream) -> None:
    gateway = Gateway(tmp_path, routes(upstream, "good", "paced"), workers=2)
    gateway.start()
    try:
        done = threading.Event()

        def call(number: int) -> Counter[int]:
            statuses: Counter[int] = Counter()
            while not done.is_set():
                if number % 2:
                    answer = stream(gateway, "paced")
                    statuses[answer.status if answer.body.endswith(b"data: [DONE]\n\n") else 0] += 1
                else:
                    statuses[gateway.post("good").status_code] += 1
            return statuses

        with ThreadPoolExecutor(CALLERS) as pool:
            callers = [pool.submit(call, number) for number in range(CALLERS)]
            try:
                for number in range(ROUNDS):
                    time.sleep(0.15)
                    put(gateway, routes(upstream, "good", "paced", *(["hangs"] if number % 2 else [])), number + 2)
                    if number % 3 == 2:
                        take_back(gateway)
            finally:
                done.set()
            statuses = sum((each.result() for each in callers), Counter())
        assert set(statuses) == {200}, statuses
        assert statuses[200] > ROUNDS
    finally:
        gateway.stop()


def test_what_is_taken_away_drains_and_is_gone(tmp_path: Path, upstream: Upstream) -> None:
    """A stream that has begun ends as it should, under the serial that let it in; the next call finds no such model."""
    gateway = Gateway(tmp_path, routes(upstream, "good", "paced"))
    gateway.start()
    try:
        with ThreadPoolExecutor(1) as pool:
            under_way = pool.submit(stream, gateway, "paced")
            time.sleep(0.25)
            put(gateway, routes(upstream, "good"), 2)
            assert gateway.post("paced").status_code == 404
            assert not under_way.done(), "or this would show nothing"
            answer = under_way.result()
        assert answer.body.endswith(b"data: [DONE]\n\n")
        assert gateway.entry(answer.request_id).config_serial == 1
        after = gateway.post("good")
        assert gateway.entry(after.headers["x-request-id"]).config_serial == 2
    finally:
        gateway.stop()
