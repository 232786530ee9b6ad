"""A gateway on a full disk stops letting calls in before it would have to forget one, and goes on by itself."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.rules.tree import ROOT

pytestmark = pytest.mark.real

MOUNTED = 'mount -t tmpfs -o size=24m tmpfs "$1" && exec "$2" -m tests.crash.full_disk_gateway "$1"'


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("disk")
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", MOUNTED, "sh", str(folder), sys.executable],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=180,
    )
    if done.returncode == 1 and b"unshare" in done.stderr:
        pytest.skip("mount namespaces are not allowed here")
    assert done.returncode == 0, done.stderr.decode()[-4000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_full_disk_is_told_with_a_code_of_its_own(facts: dict[str, Any]) -> None:
    _, *full, _ = facts["stages"]
    assert {(each["status"], each["code"]) for each in full} == {(507, "storage_full")}
    assert all("Make room" in each["message"] for each in full)
    assert {(each["ready"], each["why"]) for each in full} == {(503, "storage_full")}


def test_calls_are_let_in_again_by_themselves(facts: dict[str, Any]) -> None:
    first, *_, last = facts["stages"]
    assert [(each["status"], each["ready"]) for each in (first, last)] == [(200, 200)] * 2
    assert facts["stopped"] == 0, facts["said"]


def test_what_was_answered_is_in_the_ledger_and_what_was_refused_is_not(facts: dict[str, Any]) -> None:
    first, *full, last = facts["stages"]
    assert {facts["rows"].get(each["id"]) for each in (first, last)} == {"complete"}
    assert not {each["id"] for each in full} & set(facts["rows"])
    assert set(facts["rows"].values()) == {"complete"}
