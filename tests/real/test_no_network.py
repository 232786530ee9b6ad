"""The whole cycle on a host that has no network: a namespace with loopback up and nothing else."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.real.processes import ROOT, program_environment
from tests.real.without_network import OUTSIDE, namespace, reaches_elsewhere

pytestmark = pytest.mark.real


def test_the_cycle_needs_no_network() -> None:
    """The tests of the cycle, run again inside; and beside them those that say that there is no way out of there."""
    here = Path(__file__).parent
    inside = [str(here / "without_network.py"), str(here / "test_cycle.py")]
    pytest_on = [sys.executable, "-m", "pytest", "-q"]
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *pytest_on, *inside],
        check=False,
        capture_output=True,
        text=True,
        timeout=170,
        cwd=ROOT,
        env=program_environment({OUTSIDE: namespace()}),
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


def test_outside_there_is_a_way_out() -> None:
    """The control: the same questions have other answers where there is a network."""
    if not reaches_elsewhere():
        pytest.skip("this host has no network itself")
    assert [name for _, name in socket.if_nameindex()] != ["lo"]
