"""What README.md tells of a run of the benchmark, and that a run is kept under its own date."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.bench import published, quota_cost

NOBODY: dict[str, Any] = dict.fromkeys(
    ("requests_per_second", "cpu_ms_per_request", "cpu_us_per_chunk", "added_p50_ms", "added_ttft_ms")
)


def run(**cpu_ms: float) -> dict[str, Any]:
    """A report of a run in which each subject took so much CPU a request."""
    medians = {
        name: NOBODY | {"requests_per_second": 1000 / cpu, "cpu_ms_per_request": cpu, "added_p50_ms": 0.5}
        for name, cpu in cpu_ms.items()
    }
    machine = {
        "cpu": "a processor",
        "cores": "2",
        "kernel": "6.1",
        "python": "3.13.5",
        "date": "2027-03-09T10:00+00:00",
    }
    return {"machine": machine, "medians": medians, "measured": {"plan": {"rounds": 3, "seconds": 3.0}}}


def test_ratios_are_those_of_the_run_and_of_nobody_who_was_not_measured() -> None:
    told = published.costs(run(ao=0.2, litellm=9.0, portkey=1.7))
    assert "45 × LiteLLM and 8.5 × Portkey, in the same run" in told
    assert "9 March 2027" in told
    alone = published.costs(run(ao=0.2))
    assert "×" not in alone
    assert "| Portkey | – | – |" in alone


def test_a_slower_machine_is_told_of_by_what_the_others_took() -> None:
    told = published.costs(run(ao=0.3, nginx=0.019 * 1.2, portkey=2.7 * 1.5, litellm=13.8 * 1.6))
    assert "took 1.50 times the CPU" in told
    assert "nginx 1.20, portkey 1.50, litellm 1.60" in told
    assert "call is 0.200 ms" in told
    assert "the machine of the budget" not in published.costs(run(ao=0.3))


def test_who_does_not_keep_up_has_no_latency() -> None:
    told = published.costs(run(ao=0.2, litellm=9.0))
    assert "| LiteLLM | 111 | 9.000 | – | – |" in told
    assert "| AO Appliance, one worker, everything on | 5,000 | 0.200 | – | 0.50 |" in told


def test_a_run_is_kept_under_its_date_and_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, reports, output = tmp_path / "README.md", tmp_path / "reports", tmp_path / "output"
    reports.mkdir()
    output.mkdir()
    page.write_text(f"before\n{published.BEGIN}old\n{published.END}after\n", encoding="utf-8")
    (reports / "gateway-2027-01-01.json").write_text("{}", encoding="utf-8")
    (output / "report.json").write_text(json.dumps(run(ao=0.2)), encoding="utf-8")
    (output / "report.md").write_text("the whole report\n", encoding="utf-8")
    monkeypatch.setattr(published, "README", page)
    monkeypatch.setattr(published, "REPORTS", reports)
    kept = published.publish(output)
    assert kept == published.newest() == reports / "gateway-2027-03-09.json"
    assert kept.with_suffix(".md").read_text(encoding="utf-8") == "the whole report\n"
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert text == published.with_costs(text, run(ao=0.2))


def test_what_caps_cost_is_told_for_every_tier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota_cost, "CALLS", 3)
    monkeypatch.setattr(quota_cost, "TIMES", 1)
    assert len(quota_cost.lines()) == 2 + len(quota_cost.CASES)
