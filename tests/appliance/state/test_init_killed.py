"""A site whose making was cut off can be made, or says what to do; it never sends a person in a circle."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from appliance.errors import ApplianceError
from appliance.state.site import open_site
from tests.appliance.sites import make_site
from tests.rules.tree import ROOT

pytestmark = pytest.mark.real


def killed(folder: Path, step: int) -> int:
    arguments = [sys.executable, "-m", "tests.appliance.state.dying", str(folder), str(step)]
    return subprocess.run(arguments, cwd=ROOT, check=False, capture_output=True).returncode


def test_a_making_cut_off_at_any_step_can_be_done_again_or_says_how(tmp_path: Path) -> None:
    ends, circles = [], []
    for step in range(30):
        folder = tmp_path / f"state-{step}"
        ends.append(killed(folder, step))
        if ends[-1] == 0:
            break
        try:
            open_site(folder).close()
            continue
        except ApplianceError as refused:
            remedy = refused.remedy
        try:
            make_site(folder).close()
        except ApplianceError as refused:
            # The remedy must not be the very act that has just been refused, and must name what to clear away.
            if "remove the folder" not in remedy and "remove" not in refused.remedy.lower():
                circles.append(f"step {step}: told {remedy!r}, then {refused.remedy!r}")
    assert ends[-1] == 0
    assert ends.count(-9) >= 5
    assert circles == []
