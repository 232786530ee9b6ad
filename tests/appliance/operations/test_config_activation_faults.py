"""Putting a config in force and going back, while the process is killed and while the disk takes no more.

Afterwards the config in force is the old one or the new one, and history and audit trail agree with it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.rules.tree import ROOT

PROGRAM = "tests.appliance.operations.config_dying"
MOUNTED = 'mount -t tmpfs -o size=2m tmpfs "$1" && exec "$2" -m "$3" full "$1" 1'


def facts_of(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=300)
    if done.returncode == 1 and done.stderr.startswith(b"unshare"):
        pytest.skip("mount namespaces are not allowed here")
    assert done.returncode == 0, done.stderr.decode()
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def test_killed_at_any_moment_it_is_the_old_config_or_the_new_one(tmp_path: Path) -> None:
    facts = facts_of([sys.executable, "-m", PROGRAM, "killed", str(tmp_path), "1"])
    assert facts["wrong"] == []
    assert sum(facts["ends"].values()) >= 60
    assert facts["told"]["killed"] >= 40
    assert min(facts["ends"]["old"], facts["ends"]["new"]) >= 2, "kills came before and after the deciding moment"


def test_whatever_write_fails_it_is_the_old_config_or_the_new_one(tmp_path: Path) -> None:
    facts = facts_of([sys.executable, "-m", PROGRAM, "limited", str(tmp_path), "1"])
    assert facts["wrong"] == []
    assert facts["told"]["refused"] >= 5
    assert facts["told"]["done"] >= 3


@pytest.mark.real
def test_on_a_disk_without_room_it_is_the_old_config_or_the_new_one(tmp_path: Path) -> None:
    facts = facts_of(["unshare", "-m", "sh", "-c", MOUNTED, "sh", str(tmp_path), sys.executable, PROGRAM])
    assert facts["wrong"] == []
    assert facts["told"]["refused"] >= 5
    assert facts["told"]["done"] >= 2
