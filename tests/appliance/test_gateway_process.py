"""A gateway that ends by itself comes back; one that ends again and again is no longer tried."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.errors import GatewayFailed
from appliance.settings import Settings
from appliance.succession import RESTART_WINDOW_SECONDS, RESTARTS, Succession
from tests.appliance.gateway.upstreams import Upstream
from tests.appliance.gateways import Gateway, models_text


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    with Upstream() as upstream:
        made = Gateway(tmp_path, models_text({"good": [f"http://127.0.0.1:{upstream.port}/good/v1"]}))
        made.start()
        yield made
        made.stop()


def answers(gateway: Gateway) -> bool:
    return gateway.listens() and gateway.post("good").status_code == 200


def test_workers_killed_in_quick_succession_come_back(gateway: Gateway) -> None:
    """Granian takes a second death within seconds for a fault of the application, and ends."""
    for _ in range(3):
        until(lambda: answers(gateway))
        for worker in gateway.workers():
            os.kill(worker, signal.SIGKILL)
        time.sleep(1.0)
    until(lambda: answers(gateway))
    assert gateway.process is not None
    assert gateway.process.poll() is None
    assert "it is started again" in gateway.stderr.read_text(), "or Granian had not given up, and this shows nothing"


def test_a_main_process_that_is_killed_is_started_again(gateway: Gateway) -> None:
    assert answers(gateway)
    assert gateway.process is not None
    (main,) = Path(f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children").read_text().split()
    os.kill(int(main), signal.SIGKILL)
    until(lambda: "it is started again" in gateway.stderr.read_text())
    until(lambda: answers(gateway))
    assert gateway.process.poll() is None


def test_what_ends_again_and_again_is_given_up_and_the_window_moves_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    process = Succession(Settings(state_dir=tmp_path), tmp_path)
    starts = 0

    def ended() -> bool:
        return process._current.ended() is not None

    for _ in range(2):
        for _ in range(RESTARTS):
            until(ended)
            process.keep_up(starts * (RESTART_WINDOW_SECONDS + 1))
        starts += 1
    until(ended)
    with pytest.raises(GatewayFailed):
        process.keep_up((starts - 1) * (RESTART_WINDOW_SECONDS + 1))
    process.stop()


def test_the_threads_of_a_worker_do_not_interrupt_each_other(gateway: Gateway) -> None:
    """They share a processor where there is but one; a call passes through several of them."""
    until(lambda: answers(gateway))  # by then those that it starts when they are needed are there
    for worker in gateway.workers():
        threads = {task.name: (task / "comm").read_text().strip() for task in Path(f"/proc/{worker}/task").iterdir()}
        assert "tokio-rt-worker" in threads.values(), "the server's"
        assert {os.sched_getscheduler(int(thread)) for thread in threads} == {os.SCHED_BATCH}
