"""What the pages state as tables is what the code does: the tables are made from the code, and compared here.

To write them anew: `python -m tests.rules.test_pages`.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path

from appliance.access.authorise import Permission
from appliance.access.roles import BUILT_IN
from appliance.observe.events import page_table as events_table
from appliance.observe.names import page_table
from licensing.standing import TERMS, Rung
from tests.bench.published import README, newest, with_costs

ROOT = Path(__file__).resolve().parents[2]
OPERATING = ROOT / "appliance" / "OPERATING.md"
ADMINISTRATORS = ROOT / "appliance" / "access" / "ADMINISTRATORS.md"
EVENTS = ROOT / "appliance" / "observe" / "EVENTS.md"
METRICS = ROOT / "appliance" / "observe" / "METRICS.md"
LICENSING = ROOT / "licensing" / "README.md"
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


def roles() -> str:
    """The built-in roles as a Markdown table, from `appliance.access.roles.BUILT_IN`."""
    lines = ["| role | what it is | permissions |", "|---|---|---|"]
    for role in BUILT_IN.values():
        held = ", ".join(f"`{each.value}`" for each in Permission if each in role.permissions)
        told = "all" if role.permissions == frozenset(Permission) else held
        scope = " (for the whole site only)" if role.site_only else ""
        lines.append(f"| `{role.name}` | {role.title}{scope} | {told} |")
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


def with_measured(page: str) -> str:
    return with_costs(page, json.loads(newest().read_text(encoding="utf-8")))


def test_the_readme_tells_what_was_measured() -> None:
    assert README.read_text(encoding="utf-8") == with_measured(README.read_text(encoding="utf-8"))


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


def with_events(page: str) -> str:
    return _between(page, "<!-- events -->\n", events_table(), "<!-- /events -->\n")


def test_the_page_of_events_names_those_that_there_are() -> None:
    assert EVENTS.read_text(encoding="utf-8") == with_events(EVENTS.read_text(encoding="utf-8"))


def test_the_page_of_metrics_names_those_that_there_are() -> None:
    assert METRICS.read_text(encoding="utf-8") == with_metrics(METRICS.read_text(encoding="utf-8"))


def with_roles(page: str) -> str:
    return _between(page, "<!-- roles -->\n", roles(), "<!-- /roles -->\n")


def test_the_page_of_administrators_shows_the_roles_that_there_are() -> None:
    assert ADMINISTRATORS.read_text(encoding="utf-8") == with_roles(ADMINISTRATORS.read_text(encoding="utf-8"))


def test_the_package_that_is_audited_stays_small_and_says_how_small() -> None:
    assert code_lines() <= AUDITABLE_LINES
    assert LICENSING.read_text(encoding="utf-8") == with_lines(LICENSING.read_text(encoding="utf-8"))


def test_the_page_shows_the_ladder_that_the_code_climbs() -> None:
    assert OPERATING.read_text(encoding="utf-8") == with_ladder(OPERATING.read_text(encoding="utf-8"))


def test_a_page_that_tells_another_ladder_is_noticed() -> None:
    page = OPERATING.read_text(encoding="utf-8")
    assert with_ladder(page.replace("| `expired` | no |", "| `expired` | yes |")) == page


if __name__ == "__main__":
    ADMINISTRATORS.write_text(with_roles(ADMINISTRATORS.read_text(encoding="utf-8")), encoding="utf-8")
    EVENTS.write_text(with_events(EVENTS.read_text(encoding="utf-8")), encoding="utf-8")
    METRICS.write_text(with_metrics(METRICS.read_text(encoding="utf-8")), encoding="utf-8")
    OPERATING.write_text(with_ladder(OPERATING.read_text(encoding="utf-8")), encoding="utf-8")
    README.write_text(with_measured(README.read_text(encoding="utf-8")), encoding="utf-8")
    LICENSING.write_text(with_lines(LICENSING.read_text(encoding="utf-8")), encoding="utf-8")
