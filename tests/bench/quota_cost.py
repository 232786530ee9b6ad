"""`python -m tests.bench.quota_cost`: what the caps of a call cost, by how many accounts it is counted in.

Let in and settled: CPU of one worker on a real file, medians, in microseconds.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import median

from appliance.access.account import Account, Ask, Full, Moment
from appliance.access.caps import Caps
from appliance.access.quota import Quota

CALLS = 2000
TIMES = 15
NEVER = 10**12
"""A cap that is checked and refuses nothing."""

REQUESTS = Account("licence", "licence", "The licence", Caps(rpm=NEVER))
LICENCE = Account("licence", "licence-tpm", "The licence", Caps(rpm=NEVER, tpm=NEVER))
EVERYTHING = Caps(
    rpm=NEVER, tpm=NEVER, concurrent=10**6, tokens_day=NEVER, tokens_month=NEVER, cost_day=NEVER, cost_month=NEVER
)
ORG, TEAM, KEY = (Account(tier, f"{tier}-0", f"A {tier}", EVERYTHING) for tier in ("org", "team", "key"))

CASES = {
    "the licence's requests a minute alone": (REQUESTS,),
    "licence (requests and tokens a minute)": (LICENCE,),
    "licence and key, every cap of the key's": (LICENCE, KEY),
    "licence, org, team and key, every cap of each": (LICENCE, ORG, TEAM, KEY),
}


def moment() -> Moment:
    return Moment(time.clock_gettime(time.CLOCK_BOOTTIME), time.time())


def microseconds(quota: Quota, accounts: tuple[Account, ...]) -> float:
    """Of one call: both its ends, with the look at the clocks that each takes."""
    ask = Ask(prompt=250, output=256, bounded=True, cost=100)
    taken_by = []
    for _ in range(TIMES):
        began = time.process_time_ns()
        for _ in range(CALLS):
            taken = quota.admit(accounts, ask, moment())
            if isinstance(taken, Full):
                raise RuntimeError("a cap that is never reached was")
            quota.settle(taken, 276, 90, moment())
        taken_by.append((time.process_time_ns() - began) / CALLS / 1e3)
    return median(taken_by)


def lines() -> list[str]:
    """The figures, a row of a Markdown table each."""
    found = ["| a call counted in | µs |", "| --- | --- |"]
    with (
        tempfile.TemporaryDirectory(prefix="quota-cost-") as folder,
        closing(Quota(Path(folder) / "quota", boot_id=bytes(16))) as quota,
    ):
        found += [f"| {what} | {microseconds(quota, accounts):.1f} |" for what, accounts in CASES.items()]
    return found


def append_to(report: Path) -> None:
    """Says the figures, and adds them to a report that is there."""
    text = "\n" + "\n".join(["# What caps cost", "", *lines()]) + "\n"
    print(text, end="")
    with report.open("a", encoding="utf-8") as stream:
        stream.write(text)


def main() -> None:
    print("\n".join(lines()))


if __name__ == "__main__":
    main()
