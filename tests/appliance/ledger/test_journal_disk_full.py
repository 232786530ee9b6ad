"""A real disk without room: what was acknowledged stays, what could not be recorded is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.rules.tree import ROOT

pytestmark = pytest.mark.real

MOUNTED = 'mount -t tmpfs -o size=64k tmpfs "$1" && exec "$2" -m tests.appliance.ledger.full_disk "$1" "$3"'


def run(folder: Path, segment_bytes: int) -> dict[str, Any]:
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", MOUNTED, "sh", str(folder), sys.executable, str(segment_bytes)],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=60,
    )
    if done.returncode == 1 and b"unshare" in done.stderr:
        pytest.skip("mount namespaces are not allowed here")
    assert done.returncode == 0, done.stderr.decode()
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


@pytest.mark.parametrize("segment_bytes", [16 * 1024 * 1024, 5000])
def test_no_line_that_was_acknowledged_is_lost_to_a_full_disk(tmp_path: Path, segment_bytes: int) -> None:
    facts = run(tmp_path, segment_bytes)
    assert facts["refused"] > 0
    assert facts["refusals"] == ["StorageFull"]
    assert facts["damaged"] == 0
    assert set(facts["acknowledged"]) <= set(facts["found"])


@pytest.mark.parametrize("segment_bytes", [16 * 1024 * 1024, 5000])
def test_what_was_let_in_can_be_ended_however_full_the_disk_is(tmp_path: Path, segment_bytes: int) -> None:
    facts = run(tmp_path, segment_bytes)
    begun = {each.removeprefix("begun ") for each in facts["acknowledged"] if each.startswith("begun ")}
    assert len(begun) > 10
    assert begun <= set(facts["ended"])


@pytest.mark.parametrize("segment_bytes", [16 * 1024 * 1024, 5000])
def test_writing_goes_on_once_there_is_room(tmp_path: Path, segment_bytes: int) -> None:
    facts = run(tmp_path, segment_bytes)
    assert facts["after"] == ["begun", "entry"]
    assert not set(facts["ended"]) & set(facts["left_open_finally"])
