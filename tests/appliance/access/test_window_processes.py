"""Real processes on one file of counts: caps are the site's, not each worker's, and dying is no way around them."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from appliance.access.account import Moment
from tests.appliance.access.counted import account, admitted, ask, opened
from tests.rules.tree import ROOT

pytestmark = pytest.mark.real


class Hammer:
    """One process on the file, started and waiting for the word."""

    def __init__(self, folder: Path, number: int, *, rpm: int, refusals: int, concurrent: int | None = None) -> None:
        self.log = folder / f"log-{number}"
        asked = [folder, folder / "go", self.log, rpm, refusals, *([concurrent] if concurrent else [])]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.appliance.access.hammer", *map(str, asked)],
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


@pytest.mark.parametrize("write", range(12))
def test_an_admission_cut_off_at_any_write_costs_at_most_itself(tmp_path: Path, write: int) -> None:
    before, whose = opened(tmp_path), account(rpm=5, concurrent=5, tokens_day=1_000)
    assert admitted(before, Moment(999.0, 999.0), 1, whose, of=ask(10)) == 1
    arguments = [str(tmp_path), str(write)]
    dead = subprocess.run([sys.executable, "-m", "tests.appliance.access.half_made", *arguments], cwd=ROOT, check=False)
    assert dead.returncode == -9
    now = Moment(1000.0, 1000.0)
    before.look(now)
    used = before.used(whose, now)
    assert used["concurrent"] == 1, "whoever is dead has no call under way"
    assert used["rpm"] in (1, 2)
    assert used["tokens_day"] in (0, 10)
    assert admitted(before, now, 10, whose, of=ask(10)) == 5 - max(used["rpm"], used["concurrent"])


def test_the_places_of_a_worker_that_is_killed_are_free_as_soon_as_anybody_looks(tmp_path: Path) -> None:
    with ExitStack() as stack:
        hammer = stack.enter_context(Hammer(tmp_path, 0, rpm=1000, refusals=1, concurrent=7))
        (tmp_path / "go").touch()
        assert hammer.process.stdout is not None
        assert hammer.process.stdout.readline() == b"full\n"
        quota, whose = opened(tmp_path), account(rpm=1000, concurrent=7)
        now = Moment(time.clock_gettime(time.CLOCK_BOOTTIME), time.time())
        assert admitted(quota, now, 5, whose) == 0
        hammer.process.kill()
        hammer.process.wait()
        assert quota.look(now) == 7
        assert admitted(quota, now, 20, whose) == 7
