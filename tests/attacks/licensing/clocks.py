"""What the attacks on clocks have in common: a gateway's looks at its clocks, and what it keeps of them."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from licensing.clock import Look, Step, TimeFloor, observe, step_between
from tests.appliance.papers import NOW
from tests.appliance.sites import licensed_site

DECADES = timedelta(days=73 * 365)
FLOOR = TimeFloor(NOW, "a test")
HONEST = timedelta(0)
FAKETIME = shutil.which("faketime")
needs_faketime = pytest.mark.skipif(FAKETIME is None, reason="faketime is not installed")


def run(floor: TimeFloor, looks: Sequence[Look]) -> tuple[TimeFloor, list[Step]]:
    """What a gateway keeps of this sequence of looks at its clocks."""
    steps = []
    for before, now in itertools.pairwise(looks):
        step = step_between(before, now)
        steps += [step] if step else []
        floor = observe(floor, before, now)
    return floor, steps


def looks(*walls: timedelta, every: float = 60.0) -> list[Look]:
    """A look a minute; each wall clock as it stands from the true time."""
    return [Look(NOW + timedelta(seconds=n * every) + wall, n * every) for n, wall in enumerate(walls)]


def status_at(clock: str, folder: Path) -> tuple[int, str]:
    """What `ao status` says, and ends with, on a licensed host whose clock was set."""
    licensed_site(folder / "state", now=datetime(2026, 11, 23, 12, tzinfo=UTC)).close()
    said = subprocess.run(
        [FAKETIME or "", clock, sys.executable, "-c", "from appliance.cli.main import main; main()", "status"],
        env={**os.environ, "AO_STATE_DIR": str(folder / "state"), "TZ": "UTC"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return said.returncode, said.stdout
