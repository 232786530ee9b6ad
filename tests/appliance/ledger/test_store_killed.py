"""Exactly once, with real processes that are killed at any moment."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.appliance.sites import make_site
from tests.rules.tree import ROOT

pytestmark = pytest.mark.real

ROUNDS = 60


@pytest.mark.parametrize("seed", [1, 2])
def test_each_exchange_reaches_the_ledger_once_whoever_dies(tmp_path: Path, seed: int) -> None:
    """Two takers race each other; workers and takers die. What was ended has its own entry, the rest is interrupted."""
    make_site(tmp_path / "state").close()
    done = subprocess.run(
        [sys.executable, "-m", "tests.appliance.ledger.killing", str(tmp_path / "state"), str(ROUNDS), str(seed)],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()
    facts = json.loads(done.stdout)
    assert facts["failures"] == 0, done.stderr.decode()
    assert facts["again"] == 0
    found = dict(facts["rows"])
    assert Counter(name for name, _ in facts["rows"]).most_common(1)[0][1] == 1
    begun = {each[1:] for each in facts["told"] if each[0] == "+"}
    ended = {each[1:] for each in facts["told"] if each[0] == "-"}
    assert len(ended) > ROUNDS, "the workers hardly got to work"
    assert begun <= set(found), "an exchange is missing"
    assert {name: found[name] for name in ended} == dict.fromkeys(ended, "complete")
    # A worker may have died between a line and the word of it, so one or two more a round are no surprise.
    assert len(set(found) - begun) <= ROUNDS
    assert "interrupted" in found.values()
