"""The gateway as processes: caps over all workers, deaths, restarts, and an orderly end."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from appliance.state.site import open_site
from tests.appliance.entries import outcomes
from tests.appliance.gateway.upstreams import Upstream
from tests.appliance.gateway.wire import Answer, Line, stream
from tests.appliance.gateways import AO, Gateway, models_text

pytestmark = pytest.mark.real

SCRIPTS = ("good", "paced", "hangs", "monstrous-usage")
RPM = 30


def made(folder: Path, upstream: Upstream, *, workers: int = 1, **caps: int) -> Gateway:
    routes = {script: [f"http://127.0.0.1:{upstream.port}/{script}/v1"] for script in SCRIPTS}
    return Gateway(folder, models_text(routes), workers=workers, caps=caps)


def test_the_cap_is_the_sites_over_all_workers_and_over_a_restart(tmp_path: Path, upstream: Upstream) -> None:
    gateway = made(tmp_path, upstream, workers=2, rpm=RPM)
    gateway.start()
    try:
        assert len(gateway.workers()) == 2
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: gateway.post("good"), range(RPM + 20)))
        assert Counter(each.status_code for each in answers) == {200: RPM, 429: 20}
        refused = next(each for each in answers if each.status_code == 429)
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert (refused.headers["x-ratelimit-limit-requests"], refused.headers["x-ratelimit-remaining-requests"]) == (
            str(RPM),
            "0",
        )
        left = sorted(
            int(each.headers["x-ratelimit-remaining-requests"]) for each in answers if each.status_code == 200
        )
        assert left == list(range(RPM))
        # What was refused is no exchange.
        assert len(gateway.lines()) == 2 * RPM
        assert gateway.stop() == 0
        gateway.start()
        assert gateway.post("good").status_code == 429
    finally:
        gateway.stop()


def test_tokens_are_capped_and_told_apart_from_requests(tmp_path: Path, upstream: Upstream) -> None:
    gateway = made(tmp_path, upstream, rpm=1000, tpm=40)
    gateway.start()
    try:
        first = gateway.post("good")
        assert first.headers["x-ratelimit-limit-tokens"] == "40"
        refused = gateway.post("good")
        assert refused.status_code == 429
        assert "40 tokens" in refused.json()["error"]["message"]
        assert refused.headers.get("x-ratelimit-remaining-requests") != "0", "one of a thousand calls was made"
    finally:
        gateway.stop()


def test_a_worker_that_dies_is_replaced_and_its_calls_are_interrupted(tmp_path: Path, upstream: Upstream) -> None:
    gateway = made(tmp_path, upstream)
    gateway.start()
    try:
        with Line(gateway) as line:
            since = line.call("paced", stream=True)
            answer = line.chunks(line.head(), since, at_most=2)
            (worker,) = gateway.workers()
            os.kill(worker, signal.SIGKILL)
        deadline = time.monotonic() + 15
        while not (set(gateway.workers()) - {worker} and gateway.listens()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert gateway.post("good").status_code == 200
        time.sleep(0.6)
        with closing(open_site(gateway.state)) as site:
            assert outcomes(site)[answer.request_id] == "interrupted"
    finally:
        assert gateway.stop() == 0


def test_a_stream_in_flight_is_finished_before_the_end(tmp_path: Path, upstream: Upstream) -> None:
    gateway = made(tmp_path, upstream)
    gateway.start()
    found: list[Answer] = []
    thread = threading.Thread(target=lambda: found.append(stream(gateway, "paced")))
    thread.start()
    time.sleep(0.3)
    assert gateway.stop() == 0
    thread.join(10)
    assert found[0].body.endswith(b"data: [DONE]\n\n")
    with closing(open_site(gateway.state)) as site:
        assert outcomes(site) == {found[0].request_id: "complete"}
        assert site.database.execute("SELECT stopped FROM runs").fetchone()["stopped"]


def test_no_process_outlives_a_supervisor_that_is_killed(tmp_path: Path, upstream: Upstream) -> None:
    gateway = made(tmp_path, upstream)
    gateway.start()
    (worker,) = gateway.workers()
    assert gateway.stop(signal.SIGKILL) == -signal.SIGKILL
    deadline = time.monotonic() + 10
    while Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{worker}").exists()


def test_a_monstrous_count_does_not_end_the_service(tmp_path: Path, upstream: Upstream) -> None:
    """One reply of one model server must not stop the books, nor the gateway, nor its next start."""
    gateway = made(tmp_path, upstream)
    gateway.start()
    try:
        answer = gateway.post("monstrous-usage")
        assert answer.status_code == 200
        time.sleep(1.0)
        assert gateway.process is not None
        assert gateway.process.poll() is None, gateway.stderr.read_text()[-600:]
        with closing(open_site(gateway.state)) as site:
            assert list(outcomes(site)) == [answer.headers["x-request-id"]]
    finally:
        gateway.stop()


def test_a_second_gateway_on_the_same_state_is_refused(tmp_path: Path, upstream: Upstream) -> None:
    gateway = made(tmp_path, upstream)
    gateway.start()
    try:
        arguments = [str(AO), "serve", "--port", "1"]
        second = subprocess.run(arguments, env=gateway.environment, capture_output=True, text=True, check=False)
        assert second.returncode == 48
        assert "[already_serving]" in second.stderr
        assert gateway.ao("status", "--json").returncode == 0
    finally:
        gateway.stop()


def test_a_port_that_is_taken_is_refused_before_anything_starts(tmp_path: Path, upstream: Upstream) -> None:
    gateway = made(tmp_path, upstream)
    taken = gateway.ao("serve", "--port", str(upstream.port))
    assert taken.returncode == 44
    assert f"127.0.0.1:{upstream.port}" in taken.stderr
    assert "[port_taken]" in taken.stderr


def test_a_missing_secret_is_refused_before_anything_listens(tmp_path: Path, upstream: Upstream) -> None:
    gateway = made(tmp_path, upstream)
    environment = {name: value for name, value in gateway.environment.items() if name != "UPSTREAM_KEY"}
    done = subprocess.run([AO, "serve"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 62
    assert "UPSTREAM_KEY" in done.stderr
