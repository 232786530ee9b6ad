"""What README.md tells of the hosts is what the newest report says, and only that."""

from __future__ import annotations

import json
from typing import Any

from tests.bench import hosts

MACHINE = {"cpu": "a processor", "cores": "2", "kernel": "6.1", "python": "3.13.5", "date": "2027-03-09T10:00+00:00"}


def report(**seconds: dict[str, float]) -> dict[str, Any]:
    return {
        "machine": MACHINE,
        "megabytes": {"x86_64": 49.96},
        "hosts": "on a disk",
        "beside": "the machine's load was 1.0 to 2.0 meanwhile",
        "seconds": seconds,
    }


def test_what_was_not_measured_has_a_dash_and_what_nobody_measured_no_row() -> None:
    told = hosts.block(report(bookworm={"install from the .run": 5.25}, bullseye={"start to first answer": 2.0}))
    assert "| file to carry in, x86_64, MB | 50.0 | 50.0 |" in told
    assert "| file to carry in, aarch64, MB | – | – |" in told
    assert "every file copied and hashed, s | 5.2 | – |" in told
    assert "first answer, s | – | 2.0 |" in told
    assert "rollback" not in told
    assert "9 March 2027" in told
    assert "on a disk" in told


def test_the_readme_tells_of_the_newest_report() -> None:
    page = hosts.README.read_text("utf-8")
    newest = json.loads(hosts.newest().read_text("utf-8"))
    assert page == hosts.with_block(page, newest)
    assert hosts.newest().with_suffix(".md").read_text("utf-8") == hosts.whole(newest)
