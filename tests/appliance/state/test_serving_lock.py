"""Whether a gateway runs on a state folder, and that asking disturbs nobody."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from appliance.errors import AlreadyServing
from appliance.state.serving import ServingLock, is_serving


def test_one_serves_at_a_time(tmp_path: Path) -> None:
    assert not is_serving(tmp_path)
    lock = ServingLock(tmp_path)
    assert is_serving(tmp_path)
    with pytest.raises(AlreadyServing):
        ServingLock(tmp_path)
    lock.release()
    assert not is_serving(tmp_path)


def test_asking_never_keeps_a_gateway_from_starting(tmp_path: Path) -> None:
    """A monitor that runs `ao status` each second must not make `ao serve` believe in another one."""
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            is_serving(tmp_path)

    thread = threading.Thread(target=ask)
    thread.start()
    refused = 0
    try:
        for _ in range(2000):
            try:
                ServingLock(tmp_path).release()
            except AlreadyServing:
                refused += 1
    finally:
        stop.set()
        thread.join()
    assert refused == 0
