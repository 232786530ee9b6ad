"""Two hundred rounds of killing and failing disks: nothing that was acknowledged is lost, nothing is counted twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from tests.appliance.sites import make_site, put_config, put_licence
from tests.crash.faults import Disk, compiled
from tests.rules.tree import ROOT

pytestmark = pytest.mark.real

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "200"))
SEED = int(os.environ.get("CRASH_SEED", "7"))


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("rig")
    site = make_site(folder / "state")
    put_licence(site)
    put_config(site)
    site.close()
    disk = Disk(folder)
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.rig", str(folder / "state"), str(ROUNDS), str(SEED)],
        cwd=ROOT,
        env=disk.environment(compiled(folder)),
        capture_output=True,
        check=False,
        timeout=120 + ROUNDS * 2,
    )
    assert done.returncode == 0, done.stderr.decode()[-4000:]
    found: dict[str, Any] = json.loads(done.stdout)
    found["stderr"] = done.stderr.decode()[-4000:]
    return found


def named(facts: dict[str, Any], sign: str) -> set[str]:
    return {each[1:] for each in facts["told"] if each[0] == sign}


def test_the_rig_did_what_it_is_for(facts: dict[str, Any]) -> None:
    assert facts["failures"] == 0, facts["stderr"]
    assert len(named(facts, "-")) > 20 * ROUNDS
    assert facts["hits"] > ROUNDS
    assert named(facts, "?"), "no call was ever refused"
    assert named(facts, "!"), "no end was ever refused"


def test_no_acknowledged_exchange_is_lost(facts: dict[str, Any]) -> None:
    found = {row[0]: row[1] for row in facts["rows"]}
    assert named(facts, "+") - set(found) == set()
    assert {name: found[name] for name in named(facts, "-")} == dict.fromkeys(named(facts, "-"), "complete")


def test_none_is_doubled_and_none_is_invented(facts: dict[str, Any]) -> None:
    assert Counter(row[0] for row in facts["rows"]).most_common(1)[0][1] == 1
    assert facts["again"] == 0
    # A worker may die between recording a beginning and saying so: two workers a round.
    unsaid = {row[0] for row in facts["rows"]} - named(facts, "+")
    assert len(unsaid) <= 2 * ROUNDS
    assert not unsaid & named(facts, "?"), "a call that was refused was recorded"


def test_an_end_that_could_not_be_recorded_is_told_as_a_fault_or_as_interrupted(facts: dict[str, Any]) -> None:
    found = {row[0]: row[1] for row in facts["rows"]}
    assert {found[name] for name in named(facts, "!")} <= {"fault", "interrupted"}
    assert {row[1] for row in facts["rows"]} <= {"complete", "fault", "interrupted"}


def test_the_sealed_files_count_each_exchange_once(facts: dict[str, Any]) -> None:
    assert facts["faults"] == []
    assert all(row[3] is not None for row in facts["rows"])
    assert facts["counted"] == len(facts["rows"])
