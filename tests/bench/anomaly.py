"""How soon leaked keys are found, and how often another is suspected, on simulated traffic.

`python -m tests.bench.anomaly [--seeds N] [--out FILE]` prints the report, or writes it. No gateway is run: traffic
goes through the functions by which the watch learns and judges. The figures follow from the seeds, not the machine.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from statistics import median

from appliance.access.anomaly.judge import THRESHOLDS, Sensitivity
from tests.appliance.access.anomaly.replay import LEAK_DAY, Site, Weeks, found_after, live
from tests.appliance.access.anomaly.traffic import HABITS, LEAKS, Leak

DAYS = 45
Found = dict[Sensitivity, tuple[float, int] | None]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.anomaly", description=__doc__)
    parser.add_argument("--seeds", type=int, default=4, help="sites that are simulated (default 4)")
    parser.add_argument("--out", type=Path, help="a file for the report, in place of standard output")
    asked = parser.parse_args()
    weeks = {seed: live(seed, DAYS, keep=(LEAK_DAY,)) for seed in range(1, asked.seeds + 1)}
    told = report(weeks, {seed: each.sites[LEAK_DAY] for seed, each in weeks.items()})
    if asked.out:
        asked.out.write_text(told, encoding="utf-8")
    else:
        print(told)


def report(weeks: dict[int, Weeks], sites: dict[int, Site]) -> str:
    months = sum(each.keys * each.days / 30 for each in weeks.values())
    lines = [
        "# Leaked keys: how soon they are found, and what else is taken for one",
        "",
        f"Simulated by `python -m tests.bench.anomaly --seeds {len(weeks)}`: {len(weeks)} sites of {len(HABITS)} keys "
        f"over {DAYS} days, {months:.0f} key-months. What the keys do is in tests/appliance/access/anomaly/traffic.py. "
        "Points and thresholds were chosen while looking at seed 1; the others were not looked at. It is a simulation: "
        "a site's own traffic gives its own figures, which is what shadow mode is for.",
        "",
        "## False alarms",
        "",
        "After each the key is resumed, as an operator would who has looked; so a change is told of once.",
        "",
        "| sensitivity | threshold | a key-month | which |",
        "|---|---|---|---|",
    ]
    for sensitivity, threshold in THRESHOLDS.items():
        alarms = [each for of in weeks.values() for each in of.alarms if each.sensitivity == sensitivity]
        which = ", ".join(f"{name} ({count})" for name, count in Counter(each.habit for each in alarms).most_common())
        lines.append(f"| {sensitivity} | {threshold} | {len(alarms) / months:.2f} | {which or 'none'} |")
    lines += [
        "",
        "## Leaks",
        "",
        f"Each leak happens to each key of each site on its {LEAK_DAY + 1}th day, while its owner goes on. "
        "*Found*: within that day. Delay and calls: from the leak's first call on, of those that were found.",
        "",
        "| leak | sensitivity | found | delay: median | longest | calls by then: median |",
        "|---|---|---|---|---|---|",
    ]
    for leak in LEAKS:
        lines += _rows(leak, [found_after(sites[seed], seed, habit, leak) for seed in sites for habit in HABITS])
    return "\n".join([*lines, ""])


def _rows(leak: Leak, every: list[Found]) -> list[str]:
    rows = []
    for sensitivity in THRESHOLDS:
        found = [each for one in every if (each := one[sensitivity]) is not None]
        cells = ["–"] * 3
        if found:
            delays = [each[0] for each in found]
            cells = [_time(median(delays)), _time(max(delays)), f"{median(each[1] for each in found):.0f}"]
        rows.append(f"| {leak.name} | {sensitivity} | {len(found)}/{len(every)} | {' | '.join(cells)} |")
    return rows


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


if __name__ == "__main__":
    main()
