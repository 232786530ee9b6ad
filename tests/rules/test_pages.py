"""What the pages state as tables is what the code does: the tables are made from the code, and compared here.

To write them anew: `python -m tests.rules.test_pages`.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path

from appliance.observe.names import page_table
from licensing.standing import TERMS, Rung

ROOT = Path(__file__).resolve().parents[2]
OPERATING = ROOT / "appliance" / "OPERATING.md"
METRICS = ROOT / "appliance" / "observe" / "METRICS.md"
LICENSING = ROOT / "licensing" / "README.md"
README = ROOT / "README.md"
MEASURED = ROOT / "tests" / "bench" / "reports" / "gateway-2026-11-24.json"
"""The run of `make bench` that the README tells of."""
BEGIN, END = "<!-- ladder -->\n", "<!-- /ladder -->\n"
LINES_BEGIN, LINES_END = "<!-- lines -->\n", "<!-- /lines -->\n"
AUDITABLE_LINES = 1750
"""Statements that one person reads with care in one sitting. Whoever raises this takes an auditor's time."""


def ladder() -> str:
    """The licence ladder as a Markdown table, from `licensing.standing.TERMS`."""
    lines = ["| rung | model calls | a new config | HTTP | exit | what to do |", "|---|---|---|---|---|---|"]
    for rung in Rung:
        terms = TERMS[rung]
        serves, config = ("yes" if each else "no" for each in (terms.serves, terms.config_import))
        status = "–" if terms.serves else str(terms.http_status)
        lines.append(f"| `{rung}` | {serves} | {config} | {status} | {terms.exit_code} | {terms.remedy} |")
    return "\n".join(lines) + "\n"


def code_lines() -> int:
    """Lines of the package (without vendor/) that are neither blank, comment nor docstring."""
    return sum(_code_lines(file) for file in sorted((ROOT / "licensing").glob("*.py")))


def _code_lines(file: Path) -> int:
    source = file.read_text(encoding="utf-8")
    documented: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            documented.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return sum(
        bool(line.strip()) and not line.strip().startswith("#") and number not in documented
        for number, line in enumerate(source.splitlines(), 1)
    )


def lines() -> str:
    decides = ("algorithms", "sm2", "envelope", "strict_json", "trust", "ratchet", "clock", "binding", "standing")
    deciding = sum(_code_lines(ROOT / "licensing" / f"{name}.py") for name in decides)
    all_lines = round(code_lines(), -2)
    return (
        f"About {all_lines} lines of code, comments and docstrings not counted; kept below {AUDITABLE_LINES}.\n"
        f"About {round(deciding, -1)} of them decide ({', '.join(decides)});\n"
        "the rest is the shape of documents.\n"
    )


_SUBJECTS = {
    "nginx": "nginx, no logic: the limit",
    "ao": "AO Appliance, one worker, everything on",
    "portkey": "Portkey",
    "litellm": "LiteLLM",
}


def costs() -> str:
    """The README's table of costs, from the report of the run that it names."""
    report = json.loads(MEASURED.read_text(encoding="utf-8"))
    lines = [
        "| | requests/s | CPU ms per request | stream CPU µs per chunk | added p50 ms at 200/s | added time to first "
        "token, ms | RSS MiB | ready s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, title in _SUBJECTS.items():
        of = report["medians"][name]
        # Below the rate that it is asked for, waiting grows for as long as one measures.
        keeps_up = (of["requests_per_second"] or 0) > 200
        cells = (
            _cell(of["requests_per_second"], ",.0f"),
            _cell(of["cpu_ms_per_request"], ".3f"),
            _cell(of["cpu_us_per_chunk"], ".1f"),
            _cell(of["added_p50_ms"] if keeps_up else None, ".2f"),
            _cell(of["added_ttft_ms"], ".2f"),
            _cell(of["rss_loaded_mib"], ".0f"),
            _cell(of["ready_seconds"], ".2f"),
        )
        lines.append(f"| {title} | {' | '.join(cells)} |")
        if name == "ao":
            lines.append("| the budget | | 0.25 | 25 | 1 | 2 | 130 | 1.5 |")
    per_cpu = {name: 1 / report["medians"][name]["cpu_ms_per_request"] for name in _SUBJECTS}
    lines.append("")
    lines.append(
        f"In requests per CPU second that is {per_cpu['ao'] / per_cpu['litellm']:.0f} × LiteLLM and "
        f"{per_cpu['ao'] / per_cpu['portkey']:.1f} × Portkey, in the same run."
    )
    return "\n".join(lines) + "\n"


def _cell(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def with_costs(page: str) -> str:
    return _between(page, "<!-- costs -->\n", costs(), "<!-- /costs -->\n")


def test_the_readme_tells_what_was_measured() -> None:
    assert README.read_text(encoding="utf-8") == with_costs(README.read_text(encoding="utf-8"))


def with_ladder(page: str) -> str:
    return _between(page, BEGIN, ladder(), END)


def with_lines(page: str) -> str:
    return _between(page, LINES_BEGIN, lines(), LINES_END)


def _between(page: str, begin: str, made: str, end: str) -> str:
    before, _, rest = page.partition(begin)
    after = rest.partition(end)[2] if end in rest else "\n" + rest
    return f"{before}{begin}{made}{end}{after}"


def with_metrics(page: str) -> str:
    return _between(page, "<!-- metrics -->\n", page_table(), "<!-- /metrics -->\n")


def test_the_page_of_metrics_names_those_that_there_are() -> None:
    assert METRICS.read_text(encoding="utf-8") == with_metrics(METRICS.read_text(encoding="utf-8"))


def test_the_package_that_is_audited_stays_small_and_says_how_small() -> None:
    assert code_lines() <= AUDITABLE_LINES
    assert LICENSING.read_text(encoding="utf-8") == with_lines(LICENSING.read_text(encoding="utf-8"))


def test_the_page_shows_the_ladder_that_the_code_climbs() -> None:
    assert OPERATING.read_text(encoding="utf-8") == with_ladder(OPERATING.read_text(encoding="utf-8"))


def test_a_page_that_tells_another_ladder_is_noticed() -> None:
    page = OPERATING.read_text(encoding="utf-8")
    assert with_ladder(page.replace("| `expired` | no |", "| `expired` | yes |")) == page


if __name__ == "__main__":
    METRICS.write_text(with_metrics(METRICS.read_text(encoding="utf-8")), encoding="utf-8")
    OPERATING.write_text(with_ladder(OPERATING.read_text(encoding="utf-8")), encoding="utf-8")
    README.write_text(with_costs(README.read_text(encoding="utf-8")), encoding="utf-8")
    LICENSING.write_text(with_lines(LICENSING.read_text(encoding="utf-8")), encoding="utf-8")
