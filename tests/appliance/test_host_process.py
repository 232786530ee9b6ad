"""No process of the appliance outlives the one that began it, however early that one died."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from appliance.host_process import STARTED_BY_VARIABLE

CHILD = "from appliance.host_process import die_with_parent; die_with_parent(); print('lives', flush=True)"
GRANDCHILD = """
import os, sys
from appliance.host_process import die_with_parent
die_with_parent()
child = os.fork()
if child == 0:
    die_with_parent()
    print("lives", flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""


@pytest.mark.parametrize("program", [CHILD, GRANDCHILD])
def test_with_its_parent_alive_it_lives(program: str) -> None:
    environment = {**os.environ, STARTED_BY_VARIABLE: str(os.getpid())}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "lives\n")


@pytest.mark.parametrize("program", [CHILD, GRANDCHILD])
def test_one_whose_parent_died_before_it_could_ask_ends_at_once(program: str) -> None:
    with subprocess.Popen(["true"]) as gone:
        pass
    environment = {**os.environ, STARTED_BY_VARIABLE: str(gone.pid)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "")
