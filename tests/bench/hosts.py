"""`make report-hosts`: what installing and upgrading takes, from the last run of tests/real/hosts.

Writes reports/hosts-<date>.json and .md, and the README's block of it. Sizes are those of the files that the bundle
makes of this tree; an architecture for which no runtime is kept has a dash.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.bench.report import machine, table
from tests.packaging.made import made, runtime_is_kept

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".bench" / "hosts"
README = ROOT / "README.md"
REPORTS = Path(__file__).resolve().parent / "reports"
BEGIN, END = "<!-- hosts -->\n", "<!-- /hosts -->\n"
SUITES = {"bookworm": "Debian 12", "bullseye": "Debian 11"}
ARCHITECTURES = ("x86_64", "aarch64")
FIGURES = {
    "install from the .run": "installing from the `.run`: unpacked, the host looked at, every file copied and hashed",
    "power on to first answer": "from power-on to the first answer (a container: no firmware, no kernel to boot)",
    "start to first answer": "from `systemctl start ao` to the first answer",
    "gap seen by a client, 0.1.0 to 0.2.0": "gap that a client sees in an upgrade",
    "gap seen by a client, 0.1.0 to 0.4.0": "the same with a migration of the state, and a stream that finishes first",
    "gap seen by a client, back from 0.4.0 to 0.1.0": "gap in a rollback across the migration",
    "gap seen by a client, failed upgrade": "longest gap in an upgrade that fails and is returned from",
}


def newest() -> Path:
    """Names hold dates, so the last one is the newest."""
    return max(REPORTS.glob("hosts-????-??-??.json"))


def rows(report: Mapping[str, Any]) -> str:
    """The table, of the figures that were measured on any of the hosts."""
    told = [(f"file to carry in, {arch}, MB", *[_cell(report["megabytes"].get(arch))] * 2) for arch in ARCHITECTURES]
    for name, words in FIGURES.items():
        cells = [_cell(report["seconds"].get(suite, {}).get(name)) for suite in SUITES]
        if set(cells) != {"–"}:
            told.append((f"{words}, s", *cells))
    return table(("", *SUITES.values()), told)


def _cell(value: float | None) -> str:
    return "–" if value is None else format(value, ".1f")


def block(report: Mapping[str, Any]) -> str:
    """What the README says."""
    of = report["machine"]
    day = datetime.fromisoformat(of["date"])
    lines = [
        f"Each measured once, {day.day} {day:%B %Y}, in containers on {of['cpu']}, {of['cores']} cores, hosts "
        f"{report['hosts']};",
        f"{report['beside']}. [tests/bench/reports/](tests/bench/reports/hosts-{day:%Y-%m-%d}.md).",
        "",
        rows(report).rstrip("\n"),
    ]
    return "\n".join(lines) + "\n"


def with_block(page: str, report: Mapping[str, Any]) -> str:
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + block(report) + END + rest.partition(END)[2]


def gathered() -> dict[str, Any]:
    """From what the stories wrote down."""
    stories = {suite: json.loads((KEPT / f"{suite}.json").read_text("utf-8")) for suite in SUITES}
    sizes = {arch: made(arch).run_file.stat().st_size / 1e6 for arch in ARCHITECTURES if runtime_is_kept(arch)}
    (where,) = {"on a disk" if story["on disk"] else "in memory" for story in stories.values()}
    loads = [story["load"] for story in stories.values()]
    return {
        "machine": machine(),
        "megabytes": sizes,
        "hosts": where,
        "beside": f"the machine's load was {min(loads):.1f} to {max(loads):.1f} meanwhile",
        "seconds": stories,
    }


def main() -> int:
    report = gathered()
    day = datetime.fromisoformat(report["machine"]["date"])
    kept = REPORTS / f"hosts-{day:%Y-%m-%d}.json"
    kept.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    kept.with_suffix(".md").write_text(whole(report), "utf-8")
    README.write_text(with_block(README.read_text("utf-8"), report), "utf-8")
    print(kept)
    return 0


def whole(report: Mapping[str, Any]) -> str:
    """The report as a page: the block, the machine, and every chapter's time."""
    names = list(dict.fromkeys(name for story in report["seconds"].values() for name in story))
    every = [(name, *(_cell(report["seconds"][suite].get(name)) for suite in SUITES)) for name in names]
    of = table(("machine", ""), [(name, str(value)) for name, value in report["machine"].items()])
    parts = ("# What installing and upgrading takes", block(report), of, table(("all, s", *SUITES.values()), every))
    return "\n".join(f"{part.rstrip()}\n" for part in parts)


if __name__ == "__main__":
    sys.exit(main())
