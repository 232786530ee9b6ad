"""The dated reports that are kept, and what README.md draws from the newest: its table, and what it was measured on."""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

from .report import told_of_machine

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
REPORTS = Path(__file__).resolve().parent / "reports"
BEGIN, END = "<!-- costs -->\n", "<!-- /costs -->\n"

SUBJECTS = {
    "nginx": "nginx, no logic: the limit",
    "ao": "AO Appliance, one worker, everything on",
    "portkey": "Portkey",
    "litellm": "LiteLLM",
}
HEADINGS = (
    "",
    "requests/s",
    "CPU ms per request",
    "stream CPU µs per chunk",
    "added p50 ms at 200/s",
    "added time to first token, ms",
    "RSS MiB",
    "ready s",
)
BUDGET = ("the budget", "", "0.25", "25", "1", "2", "130", "1.5")


def newest() -> Path:
    """The report that the README tells of: names hold dates, so the last one is the newest."""
    return max(REPORTS.glob("gateway-????-??-??.json"))


def costs(report: dict[str, Any]) -> str:
    """The README's block. A subject that could not be measured has dashes, and no ratio is told of it."""
    medians = report["medians"]
    rows = [HEADINGS, ("---",) * len(HEADINGS)]
    for name, title in SUBJECTS.items():
        rows.append((title, *_cells(medians.get(name, {}))))
        if name == "ao":
            rows.append(BUDGET)
    lines = [_of_the_run(report), "", *(f"| {' | '.join(row)} |" for row in rows)]
    if ratios := [f"{ratio} × {SUBJECTS[name]}" for name in ("litellm", "portkey") if (ratio := _ratio(medians, name))]:
        lines += ["", f"In requests per CPU second that is {' and '.join(ratios)}, in the same run."]
    cpu = {name: of.get("cpu_ms_per_request") for name, of in medians.items()}
    if compared := told_of_machine(cpu):
        lines += ["", compared]
    return "\n".join(lines) + "\n"


def _of_the_run(report: dict[str, Any]) -> str:
    machine, plan = report["machine"], report["measured"]["plan"]
    day = datetime.fromisoformat(machine["date"])
    name = f"gateway-{day:%Y-%m-%d}.md"
    # Reports from before releases were measured name the one Python that there was.
    appliance = report["measured"].get("appliance") or f"Python {machine['python']}"
    return (
        f"Medians of {plan['rounds']} rounds of runs of {plan['seconds']:g} s, {day.day} {day:%B %Y}, "
        f"{machine['cpu']}, {machine['cores']} cores,\nLinux {machine['kernel']}, {appliance}. "
        f"The whole report: [tests/bench/reports/](tests/bench/reports/{name})."
    )


def _cells(of: dict[str, Any]) -> tuple[str, ...]:
    # Below the rate that it is asked for, waiting grows for as long as one measures.
    keeps_up = (of.get("requests_per_second") or 0) > 200
    return (
        _cell(of.get("requests_per_second"), ",.0f"),
        _cell(of.get("cpu_ms_per_request"), ".3f"),
        _cell(of.get("cpu_us_per_chunk"), ".1f"),
        _cell(of.get("added_p50_ms") if keeps_up else None, ".2f"),
        _cell(of.get("added_ttft_ms"), ".2f"),
        _cell(of.get("rss_loaded_mib"), ".0f"),
        _cell(of.get("ready_seconds"), ".2f"),
    )


def _cell(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _ratio(medians: dict[str, Any], name: str) -> str | None:
    own, other = (medians.get(each, {}).get("cpu_ms_per_request") for each in ("ao", name))
    if own is None or other is None:
        return None
    return format(other / own, ".0f" if other / own >= 10 else ".1f")


def with_costs(page: str, report: dict[str, Any]) -> str:
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + costs(report) + END + rest.partition(END)[2]


def publish(output: Path) -> Path:
    """Keeps report.md and report.json of a run under the date of the run, and tells of it in the README."""
    report = json.loads((output / "report.json").read_text(encoding="utf-8"))
    day = datetime.fromisoformat(report["machine"]["date"])
    kept = REPORTS / f"gateway-{day:%Y-%m-%d}.json"
    shutil.copyfile(output / "report.json", kept)
    shutil.copyfile(output / "report.md", kept.with_suffix(".md"))
    README.write_text(with_costs(README.read_text(encoding="utf-8"), report), encoding="utf-8")
    return kept
