"""`python -m tests.bench.reconcile_cost`: what the vendor's desk waits for. A year of one site, and a day of a thousand
sites, taken in from a folder: read, verified, checked, remembered, answered with receipts; and the report over them.
Each once, on a home of its own in a temporary folder (on the disk that TMPDIR names)."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from licensing.envelope import sign, to_json
from licensing.licence import Licence
from licensing.site_request import open_site_request
from licensing.usage import Row
from licensing.vendor.memory import Issued
from licensing.vendor.operations_report import report_usage, write_report
from licensing.vendor.operations_usage import reconcile_usage
from tests.licensing.vendor.simulated_site import FIRST_DAY, SimulatedSite, SiteKey, row
from tests.licensing.vendor.test_plausibility import licence
from tests.licensing.vendor.vendors_desk import VendorsDesk, vendors_desk

ROWS = 60
"""Twelve teams with five models: what a busy site reports of a day."""


def many_rows() -> tuple[Row, ...]:
    return tuple(sorted((row(f"team-{n:02}", f"model-{m}", 3) for n in range(12) for m in range(5)), key=_in_order))


def _in_order(each: Row) -> tuple[str, ...]:
    return (each.org, each.team, each.key, each.model, each.provider)


def seconds(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def enrol(desk: VendorsDesk, sites: list[SimulatedSite]) -> None:
    """As issuing a licence to each would leave the memory, at one commit."""
    with desk.home.memory() as memory, memory.transaction():
        for site in sites:
            memory.enrol(open_site_request(site.request()), site.request(), desk.now)
            claims = licence(licence=f"lic-{site.site}", expires_at=FIRST_DAY + timedelta(days=400))
            document = to_json(sign(Licence.payload_type(), claims.to_bytes(), [site.key]))
            issued = Issued(site.site, 1, "", document, desk.now, delivered=True)
            memory.record_licence(issued, licence=claims.licence, epoch=1, digest="")


def taken_in(folder: Path, sites: list[SimulatedSite], days: int) -> list[tuple[str, float]]:
    """Seconds for taking in so many days of these sites, and for a report over them."""
    desk = vendors_desk(folder)
    enrol(desk, sites)
    stick, out = folder / "stick", folder / "out"
    rows = many_rows()
    for site in sites:
        place = stick / "AO" / "to-vendor" / site.site
        place.mkdir(parents=True)
        for number in range(days):
            (place / f"usage-{number:04}.signed.json").write_bytes(site.seal(rows))
    out.mkdir()
    desk.now = FIRST_DAY + timedelta(days=days + 1)

    def take() -> None:
        done = reconcile_usage(desk.home, [stick], out, unlock=desk.unlock, now=desk.now)
        if not done.outcome.all_good or len(done.files) != days * len(sites):
            raise RuntimeError("the bench's own files were not accepted")

    def report() -> None:
        made = report_usage(desk.home, FIRST_DAY.date(), desk.now.date(), now=desk.now)
        if made.total.requests != days * len(sites) * ROWS * 3:
            raise RuntimeError("the report does not hold what was taken in")
        write_report(made, out)

    acts = {"taken in": take, "the same again, nothing new": take, "reported, three files": report}
    return [(what, seconds(act)) for what, act in acts.items()]


def lines() -> list[str]:
    """The figures, a row of a Markdown table each."""
    shapes = {
        "a year of one site (365 files)": ([SimulatedSite()], 365),
        "a day of 1,000 sites (1,000 files)": (
            [SimulatedSite(site=f"site-{n:04}", key=SiteKey(f"site-{n:04}")) for n in range(1000)],
            1,
        ),
    }
    found = []
    for name, (sites, days) in shapes.items():
        with tempfile.TemporaryDirectory(prefix="reconcile-cost-") as folder:
            found += [f"| {name}, {what} | {taken:.2f} |" for what, taken in taken_in(Path(folder), sites, days)]
    return [f"| usage, {ROWS} rows a file | s |", "| --- | --- |", *found]


def append_to(report: Path) -> None:
    """Says the figures, and adds them to a report that is there."""
    text = "\n" + "\n".join(["# What reconciling costs", "", *lines()]) + "\n"
    print(text, end="")
    with report.open("a", encoding="utf-8") as stream:
        stream.write(text)


def main() -> None:
    print("\n".join(lines()))


if __name__ == "__main__":
    main()
