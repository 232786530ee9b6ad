"""/metrics of a real gateway with two workers: right sums, for those who may read them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.appliance.gateway.upstreams import Upstream
from tests.appliance.gateways import Gateway, free_port, models_text

pytestmark = pytest.mark.real

SCRIPTS = ("good", "hangs")


def text_of(gateway: Gateway) -> str:
    answer = httpx.get(f"{gateway.url}/metrics", timeout=10, trust_env=False)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return answer.text


def values(text: str, name: str) -> dict[str, float]:
    lines = [line for line in text.splitlines() if line.startswith((f"{name}{{", f"{name} "))]
    return {labels: float(value) for labels, value in (line.rsplit(" ", 1) for line in lines)}


def within_seconds(seconds: float, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def made(folder: Path, upstream: Upstream) -> Gateway:
    routes = {script: [f"http://127.0.0.1:{upstream.port}/{script}/v1"] for script in SCRIPTS}
    routes["down"] = [f"http://127.0.0.1:{free_port()}/v1"]
    return Gateway(folder, models_text(routes), workers=2, caps={"rpm": 1000})


def test_the_sums_are_right_over_two_workers_also_when_one_has_died(tmp_path: Path, upstream: Upstream) -> None:
    gateway = made(tmp_path, upstream)
    gateway.start()
    try:
        with ThreadPoolExecutor(8) as pool:
            assert {each.status_code for each in pool.map(lambda _: gateway.post("good"), range(40))} == {200}
            refused = list(pool.map(lambda _: gateway.post("good", key="ao-wrong"), range(20)))
        assert {each.status_code for each in refused} == {401}
        within_seconds(10, lambda: sum(values(text_of(gateway), "ao_requests_total").values()) == 40)
        os.kill(gateway.workers()[0], signal.SIGKILL)
        within_seconds(20, lambda: len(gateway.workers()) == 2)
        text = text_of(gateway)
        assert sum(values(text, "ao_requests_total").values()) == 40
        assert values(text, "ao_refusals_total") == {'ao_refusals_total{code="invalid_api_key",status="401"}': 20}
        assert values(text, "ao_tokens_total")['ao_tokens_total{kind="prompt",model="good"}'] == 40 * 21
        assert values(text, "ao_licence_rung")['ao_licence_rung{rung="valid"}'] == 1
        assert values(text, "ao_serving") == {"ao_serving": 1}
        assert 0 <= values(text, "ao_journal_lag_seconds")["ao_journal_lag_seconds"] < 20
        assert gateway.key not in text
        assert gateway.post("down").status_code == 502
        failed = re.compile(r'ao_upstream_errors_total\{code="upstream_unavailable",deployment="down#[0-9a-f]{8}"\}')

        def tried() -> list[float]:
            told = values(text_of(gateway), "ao_upstream_errors_total")
            assert all(failed.fullmatch(each) for each in told)
            return list(told.values())

        within_seconds(10, lambda: tried() == [1])
        assert "PROMPT-MARKER" not in text
        assert gateway.ao("metrics").stdout.splitlines()[0] == text.splitlines()[0]
    finally:
        gateway.stop()


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (apt: prometheus)")
def test_prometheus_own_tool_finds_nothing_to_say(tmp_path: Path, upstream: Upstream) -> None:
    gateway = made(tmp_path, upstream)
    gateway.start()
    try:
        assert gateway.post("good").status_code == 200
        assert gateway.post("good", key="ao-wrong").status_code == 401
        within_seconds(10, lambda: bool(values(text_of(gateway), "ao_requests_total")))
        checked = subprocess.run(
            ["promtool", "check", "metrics"], input=text_of(gateway), capture_output=True, text=True, check=False
        )
        assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    finally:
        gateway.stop()


def test_who_is_not_named_in_the_settings_learns_nothing(tmp_path: Path, upstream: Upstream) -> None:
    gateway = made(tmp_path, upstream)
    settings = tmp_path / "settings.toml"
    settings.write_text('metrics_from = ["192.0.2.0/24"]\n', encoding="utf-8")
    gateway.extra_environment["AO_SETTINGS"] = str(settings)
    gateway.start()
    try:
        answer = httpx.get(f"{gateway.url}/metrics", timeout=10, trust_env=False)
        unknown = httpx.get(f"{gateway.url}/nothing", timeout=10, trust_env=False)
        assert (answer.status_code, answer.json()) == (404, unknown.json())
    finally:
        gateway.stop()


def test_without_a_gateway_there_are_no_metrics_and_it_is_said(tmp_path: Path, upstream: Upstream) -> None:
    gateway = made(tmp_path, upstream)
    asked = gateway.ao("metrics")
    assert asked.returncode == 100
    assert "[not_serving]" in asked.stderr
