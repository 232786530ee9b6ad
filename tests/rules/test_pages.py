"""What the pages state as tables is what the code does: the tables are made from the code, and compared here.

To write them anew: `python -m tests.rules.test_pages`.
"""

from __future__ import annotations

from pathlib import Path

from licensing.standing import TERMS, Rung

ROOT = Path(__file__).resolve().parents[2]
OPERATING = ROOT / "appliance" / "OPERATING.md"
BEGIN, END = "<!-- ladder -->\n", "<!-- /ladder -->\n"


def ladder() -> str:
    """The licence ladder as a Markdown table, from `licensing.standing.TERMS`."""
    lines = ["| rung | model calls | a new config | HTTP | exit | what to do |", "|---|---|---|---|---|---|"]
    for rung in Rung:
        terms = TERMS[rung]
        serves, config = ("yes" if each else "no" for each in (terms.serves, terms.config_import))
        status = "–" if terms.serves else str(terms.http_status)
        lines.append(f"| `{rung}` | {serves} | {config} | {status} | {terms.exit_code} | {terms.remedy} |")
    return "\n".join(lines) + "\n"


def with_ladder(page: str) -> str:
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2] if END in rest else "\n" + rest
    return f"{before}{BEGIN}{ladder()}{END}{after}"


def test_the_page_shows_the_ladder_that_the_code_climbs() -> None:
    assert OPERATING.read_text(encoding="utf-8") == with_ladder(OPERATING.read_text(encoding="utf-8"))


def test_a_page_that_tells_another_ladder_is_noticed() -> None:
    page = OPERATING.read_text(encoding="utf-8")
    assert with_ladder(page.replace("| `expired` | no |", "| `expired` | yes |")) == page


if __name__ == "__main__":
    OPERATING.write_text(with_ladder(OPERATING.read_text(encoding="utf-8")), encoding="utf-8")
