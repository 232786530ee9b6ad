"""`python -m tests.bench.ledger`: what the ledger costs. Journal per exchange, rows per second, sealing, proving,
inspecting and dropping, bytes per exchange, on a real state folder.

`make bench` runs it at MILLION exchanges; `--entries 10000000` fills a ledger of ten million, a day of a million at a
time, and says what follows for 10^8. `--write FILE` keeps the report.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from appliance.ledger.entry import Entry
from appliance.ledger.journal import Journal
from appliance.ledger.store import drop_entries, take_in
from appliance.operations.usage import prove_exchange, seal_due
from appliance.state.database import damage_in
from appliance.state.site import DATABASE, Site
from tests.appliance.entries import begun, entry
from tests.appliance.papers import DEMO_MODELS, NOW
from tests.appliance.sites import make_site, put_config, put_licence

MILLION = 1_000_000
JOURNALLED = 50_000
POLICY = "usage:\n  labels: {org: hash, team: hash, key: hash, provider: show}\n"


@dataclass(slots=True)
class Figures:
    """Seconds and bytes; `days` holds, for each day sealed, how many there were before it and what it took."""

    journal_us: float = 0.0
    sync_ms: float = 0.0
    days: list[tuple[int, float, float]] = field(default_factory=list)
    bytes_each: float = 0.0
    prove: float = 0.0
    inspect: float = 0.0
    drop: float = 0.0
    peak_mib: float = 0.0
    entries: int = 0


def call(number: int, at: int) -> Entry:
    """As calls are: ids by time, some teams and keys, some models."""
    return entry(
        f"req_{at:012x}abcdef{number % 2**24:06x}",
        ended_at=at,
        team=f"team-{number % 97 % 23}",
        key=f"key_{number % 97:012x}",
        model=f"model-{number % 5}",
        deployment=f"model-{number % 5}#0",
        prompt_tokens=number % 4000,
        completion_tokens=number % 900,
        latency_ms=number % 30_000,
    )


def seconds(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def journal_costs(folder: Path, found: Figures) -> None:
    """CPU of a beginning and an end, and the wall time of a sync of 200 ms' worth at 500 calls a second."""
    journal = Journal(folder, "cost")
    lines = [(begun(f"c{n:08}"), call(n, 1_764_000_000_000 + n)) for n in range(JOURNALLED)]
    start = time.process_time()
    for opened, ended in lines:
        journal.begin(opened)
        journal.end(ended)
    found.journal_us = (time.process_time() - start) / JOURNALLED * 1e6
    journal.sync()
    for opened, ended in lines[:100]:
        journal.begin(opened)
        journal.end(ended)
    found.sync_ms = seconds(journal.sync) * 1000
    journal.close()
    for segment in folder.glob("cost-*"):
        segment.unlink()


def fill(site: Site, day: int, count: int) -> float:
    """A day's exchanges through the journal into the ledger; the seconds of the taking-in."""
    start = int((NOW + timedelta(days=day)).timestamp() * 1000) - 12 * 3_600_000 + (day == 0) * 43_200_000
    length = 43_000_000 if day == 0 else 86_000_000
    journal = Journal(site.journal_folder, f"d{day:04}", segment_bytes=64 * 2**20)
    taken = 0.0
    for number in range(count):
        each = call(number, start + number * length // count)
        journal.end(each)
        if number % 1000 == 999:
            journal.sync()
        if number % 250_000 == 249_999:
            taken += seconds(lambda: take_in(site.database, site.journal_folder, NOW))
    journal.close()
    taken += seconds(lambda: take_in(site.database, site.journal_folder, NOW))
    for segment in site.journal_folder.glob(f"d{day:04}-*"):
        segment.unlink()
    return taken


def measure(entries: int, folder: Path) -> Figures:
    """Days of a million (or of all there are), each filled and then sealed."""
    found = Figures(entries=entries)
    site = make_site(folder / "state")
    put_licence(site)
    put_config(site, DEMO_MODELS + POLICY)
    journal_costs(folder, found)
    a_day = min(MILLION, entries)
    for day in range(entries // a_day):
        taken = fill(site, day, a_day)
        until = NOW + timedelta(days=day, hours=12, minutes=10)
        sealed = seconds(lambda until=until: seal_due(site, until, lead=None))  # type: ignore[misc]
        found.days.append((day * a_day, taken, sealed))
        print(f"{(day + 1) * a_day:,}: {a_day / taken:,.0f} rows/s, sealed in {sealed:.1f} s", file=sys.stderr)
    found.peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    site.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    found.bytes_each = (site.folder / DATABASE).stat().st_size / entries
    name = site.database.execute("SELECT id FROM ledger WHERE seq = 1 LIMIT 1").fetchone()["id"]
    found.prove = seconds(lambda: prove_exchange(site, name))
    found.inspect = seconds(lambda: damage_in(site.folder / DATABASE))
    found.drop = seconds(lambda: drop_entries(site.database, 1, NOW + timedelta(days=2)))
    site.close()
    return found


def lines(found: Figures) -> list[str]:
    a_day = min(MILLION, found.entries)
    first, last = found.days[0], found.days[-1]
    table = [
        ("journal: beginning and end of one exchange, CPU", f"{found.journal_us:.1f} µs"),
        ("journal: one sync (100 exchanges)", f"{found.sync_ms:.1f} ms"),
        ("ledger: rows per second, empty ledger", f"{a_day / first[1]:,.0f}"),
        (f"ledger: rows per second, at {last[0]:,} rows", f"{a_day / last[1]:,.0f}"),
        (f"sealing a day of {a_day:,}, labels hashed", f"{last[2]:.1f} s"),
        (f"proving one exchange of a day of {a_day:,}", f"{found.prove:.1f} s"),
        (f"inspecting the whole database ({found.entries:,} exchanges)", f"{found.inspect:.1f} s"),
        (f"dropping a day of {a_day:,}", f"{found.drop:.1f} s"),
        ("bytes per exchange in the database", f"{found.bytes_each:.0f}"),
        ("peak memory of filling and sealing", f"{found.peak_mib:.0f} MiB"),
    ]
    return ["| what | measured |", "| --- | --- |", *(f"| {what} | {value} |" for what, value in table)]


def report(found: Figures) -> str:
    """Table, each day, and what follows for 10^8."""
    scale = 10**8 / found.entries
    gib = found.bytes_each * 10**8 / 2**30
    first, last = found.days[0], found.days[-1]
    a_day = min(MILLION, found.entries)
    days = [f"| {before + a_day:,} | {a_day / taken:,.0f} | {sealed:.1f} |" for before, taken, sealed in found.days]
    slower = (last[1] / first[1] - 1) * 100
    host = f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}"
    minutes = found.inspect * scale / 60
    return "\n".join(
        [
            f"# The ledger at {found.entries:,} exchanges",
            "",
            f"`python -m tests.bench.ledger --entries {found.entries}` on {time.strftime('%d %B %Y')}: {host},",
            f"Python {platform.python_version()}, on a machine shared with other work.",
            "",
            *lines(found),
            "",
            "| rows after it | rows/s of that day | seal, s |",
            "| --- | --- | --- |",
            *days,
            "",
            "## What follows for 10^8",
            "",
            f"- Size: {found.bytes_each:.0f} bytes × 10^8 = {gib:.1f} GiB. Rows and indices grow in proportion; the",
            "  tree gains at most one level of inner pages on the way, which changes the size by less than 1 %.",
            f"- Inspecting reads every page: {found.inspect:.1f} s × {scale:.0f} = {minutes:.0f} min. That is why a",
            "  database above 32 MiB is inspected while the gateway serves already.",
            "- Taking in: ids sort by time, so rows are appended at the end of the tree. Between the first and the",
            f"  last {a_day:,} rows the time per row changed by {slower:+.0f} %, and depth grows with the logarithm.",
            f"- Sealing and dropping touch one day and no other: {last[2]:.1f} s and {found.drop:.1f} s for",
            f"  {a_day:,} exchanges, whatever the ledger's size.",
            "- With the default retention of 400 days, 10^8 exchanges are 250,000 a day: 2.9 a second, day and night.",
            "",
        ]
    )


def append_to(file: Path) -> None:
    """Says the figures at a million, and adds them to a report that is there."""
    with tempfile.TemporaryDirectory(prefix="bench-ledger-") as folder:
        text = "\n" + "\n".join(["# What the ledger costs", "", *lines(measure(MILLION, Path(folder)))]) + "\n"
    print(text, end="")
    with file.open("a", encoding="utf-8") as stream:
        stream.write(text)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ledger", description=__doc__)
    parser.add_argument("--entries", type=int, default=MILLION)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--folder", type=Path, help="on which disk (default: the temporary folder's)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-ledger-", dir=given.folder) as folder:
        text = report(measure(given.entries, Path(folder)))
    print(text)
    if given.write:
        given.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
