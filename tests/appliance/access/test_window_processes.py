"""Real processes on one window: the cap is the site's, not each worker's, and dying is no way around it."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from appliance.access.window import RateWindow
from tests.appliance.access.hammer import BOOT
from tests.rules.tree import ROOT

pytestmark = pytest.mark.real


class Hammer:
    """One process on the window, started and waiting for the word."""

    def __init__(self, folder: Path, number: int, *, rpm: int, refusals: int) -> None:
        self.log = folder / f"log-{number}"
        files = [folder / "rate-window", folder / "go", self.log]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.appliance.access.hammer", *map(str, files), str(rpm), str(refusals)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> Hammer:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    @property
    def admitted(self) -> int:
        return self.log.stat().st_size


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_together_they_get_exactly_the_cap(tmp_path: Path, processes: int) -> None:
    rpm = 2000
    with ExitStack() as stack:
        started = [Hammer(tmp_path, number, rpm=rpm, refusals=200) for number in range(processes)]
        hammers = [stack.enter_context(each) for each in started]
        (tmp_path / "go").touch()
        assert [each.process.wait(30) for each in hammers] == [0] * processes
        assert sum(each.admitted for each in hammers) == rpm


@pytest.mark.parametrize("seed", range(3))
def test_one_that_is_killed_leaves_the_cap_and_the_others_alone(tmp_path: Path, seed: int) -> None:
    rpm = 40_000
    with ExitStack() as stack:
        started = [Hammer(tmp_path, number, rpm=rpm, refusals=200) for number in range(2)]
        victim, survivor = (stack.enter_context(each) for each in started)
        (tmp_path / "go").touch()
        time.sleep(random.Random(seed).uniform(0.02, 0.15))
        victim.process.kill()
        victim.process.wait()
        assert survivor.process.wait(30) == 0
        # The victim may have died between its last admission and the byte that tells of it.
        assert rpm - 1 <= victim.admitted + survivor.admitted <= rpm
        assert survivor.admitted > 0


@pytest.mark.parametrize("write", range(3))
def test_an_admission_cut_off_at_any_write_costs_at_most_itself(tmp_path: Path, write: int) -> None:
    rpm = 5
    file = tmp_path / "rate-window"
    before = RateWindow(file, rpm=rpm, boot_id=BOOT)
    assert before.admit(999.0, rpm=rpm, tpm=None).limit is None
    arguments = [str(file), str(rpm), str(write)]
    dead = subprocess.run([sys.executable, "-m", "tests.appliance.access.half_made", *arguments], cwd=ROOT, check=False)
    assert dead.returncode == -9
    others = [before.admit(1000.0, rpm=rpm, tpm=None).limit for _ in range(10)].count(None)
    assert others in (rpm - 2, rpm - 1)
    assert before.admit(1059.0, rpm=rpm, tpm=None).limit is None
