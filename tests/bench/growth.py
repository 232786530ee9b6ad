"""How the cost of a call grows: with keys, deployments, streams at once, the size of the body, workers, and time.

`python -m tests.bench.growth` prints the tables. The gateway runs on one pinned core, load and upstream on another;
each row is a gateway of its own, in a folder of its own.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from appliance.access.keys import create_key
from appliance.state.site import open_site
from tests.appliance.gateways import AO, Gateway, models_text
from tests.appliance.papers import entropy

from .measure import EVENTS_PER_STREAM, Bench, busiest, chat, cores
from .processes import BenchError, Child, pinned, running
from .subjects import wait_until_ready, wait_until_settled
from .tools import LOGS, OUTPUT, Endpoint, Load, LoadResult, compile_tool, run_load, serving_upstream

ALIAS = "bench-model"
WARM_UP = 1.0
SOAKED_CALLS = 100_000


@dataclass(frozen=True)
class Case:
    """One row: what is grown, and to what. `body_bytes` is about how long the request is; `rate` is in calls a second,
    0 for as many as it takes."""

    grown: str
    label: str
    keys: int = 1
    deployments: int = 1
    workers: int = 1
    connections: int = 32
    body_bytes: int = 1200
    streams: bool = False
    rate: float = 0
    seconds: float = 3.0


CASES: tuple[Case, ...] = (
    *(Case("API keys", f"{n:,}", keys=n) for n in (10, 1_000, 10_000)),
    *(Case("deployments of the alias, balanced", f"{n}", deployments=n) for n in (1, 10, 50, 200)),
    *(Case("streams at once", f"{n:,}", connections=n, streams=True, seconds=4.0) for n in (1, 10, 100, 1_000)),
    *(
        Case("size of the request", label, body_bytes=size, connections=8)
        for label, size in (("1 KB", 1_000), ("10 KB", 10_000), ("100 KB", 100_000), ("1 MB", 10**6), ("10 MB", 10**7))
    ),
    *(Case("workers, on the same core", f"{n}", workers=n) for n in (1, 2)),
    *(Case("calls a second asked for", f"{n:,}", rate=n) for n in (200, 500, 1_000)),
)
SOAKED = Case("calls so far", f"{SOAKED_CALLS:,}", seconds=10.0)


@dataclass(frozen=True)
class Row:
    """`cpu_ms` is of all processes of the gateway, per call; `cpu_us` per streamed chunk."""

    case: Case
    result: LoadResult
    cpu_seconds: float
    rss_mib: float

    @property
    def cells(self) -> tuple[str, ...]:
        per_call = self.cpu_seconds / max(1, self.result.total) * 1e3
        per_chunk = f"{self.cpu_seconds / max(1, self.result.events_total) * 1e6:.1f}" if self.case.streams else "–"
        wrong = self.result.complaint() or "none"
        return (
            self.case.label,
            f"{self.result.rps:,.0f}",
            f"{per_call:.3f}",
            per_chunk,
            f"{self.result.p50:.2f} / {self.result.p99:.2f}",
            f"{self.rss_mib:.0f}",
            wrong,
        )


HEADINGS = ("", "calls/s", "CPU ms a call", "CPU µs a chunk", "p50 / p99 ms", "RSS MiB", "wrong answers")


@contextmanager
def serving(case: Case, upstream: Endpoint, core: int, folder: Path) -> Iterator[tuple[Child, Endpoint]]:
    """The case's gateway, once it answers."""
    base = f"http://127.0.0.1:{upstream.port}/v1"
    config = models_text({ALIAS: [base] * case.deployments}) + f"routing:\n  {ALIAS}: balanced\n"
    gateway = Gateway(folder, config, workers=case.workers)
    _add_keys(gateway.state, case.keys - 1)
    command = [str(AO), "serve", "--port", str(gateway.port), "--workers", str(case.workers)]
    with running("growth", command, core, LOGS, gateway.environment) as child:
        wait_until_ready(child, gateway.port, "/readyz")
        wait_until_settled(child)
        yield child, Endpoint(port=gateway.port, key=gateway.key, model=ALIAS)


def _add_keys(state: Path, count: int) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    with closing(open_site(state)) as site:
        site.database.execute("PRAGMA synchronous = OFF")  # the benchmark's own site, thrown away afterwards
        for number in range(count):
            create_key(
                site.database,
                hash_key=site.key.hash_key,
                name=f"app-{number}",
                org="hospital",
                team=f"team-{number % 50}",
                expires_at=None,
                now=now,
                entropy=entropy(f"app-{number}", 32),
            )


def measure(case: Case, upstream: Endpoint, bench: Bench) -> Row:
    with (
        tempfile.TemporaryDirectory(prefix="growth-", ignore_cleanup_errors=True) as folder,
        serving(case, upstream, bench.gateway_core, Path(folder)) as (child, endpoint),
    ):
        return _loaded(case, child, endpoint, bench)


def _loaded(case: Case, child: Child, endpoint: Endpoint, bench: Bench) -> Row:
    before = child.cpu_seconds()
    load = Load(
        _body(case),
        case.connections,
        case.seconds,
        WARM_UP,
        case.rate,
        events=EVENTS_PER_STREAM if case.streams else 0,
    )
    result = run_load(bench.load_program, endpoint, load, bench.load_core, bench.scratch)
    child.check()
    return Row(case, result, child.cpu_seconds() - before, child.tree()[busiest(child)].rss_mib)


def _body(case: Case) -> bytes:
    if case.streams:
        return chat(ALIAS, "paced", stream=True)
    plain = chat(ALIAS)
    return plain.replace(b"Answer in one short", b"Answer in one short" + b" " * max(0, case.body_bytes - len(plain)))


def soak(upstream: Endpoint, bench: Bench) -> list[Row]:
    """One gateway under load until it has answered SOAKED_CALLS: what its memory does."""
    rows: list[Row] = []
    with (
        tempfile.TemporaryDirectory(prefix="growth-", ignore_cleanup_errors=True) as folder,
        serving(SOAKED, upstream, bench.gateway_core, Path(folder)) as (child, endpoint),
    ):
        calls = 0
        while calls < SOAKED_CALLS:
            row = _loaded(SOAKED, child, endpoint, bench)
            if not row.result.total:
                raise BenchError("the gateway answers nothing")
            calls += row.result.total
            case = Case(SOAKED.grown, f"{calls:,}")
            rows.append(Row(case, row.result, row.cpu_seconds, row.rss_mib))
    return rows


def table(rows: list[Row]) -> str:
    """One table for each thing that is grown, in Markdown."""
    parts: list[str] = []
    for grown in dict.fromkeys(row.case.grown for row in rows):
        headings = (grown, *HEADINGS[1:])
        lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
        lines += ["| " + " | ".join(row.cells) + " |" for row in rows if row.case.grown == grown]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def measure_all() -> list[Row]:
    gateway_core, load_core = cores()
    load_program, upstream_program = compile_tool("load", OUTPUT), compile_tool("upstream", OUTPUT)
    with (
        tempfile.TemporaryDirectory(prefix="growth-") as scratch,
        serving_upstream(upstream_program, load_core, LOGS) as upstream,
        pinned(load_core),
    ):
        bench = Bench(load_program, gateway_core, load_core, Path(scratch))
        rows = []
        for case in CASES:
            print(f"{case.grown}: {case.label}", file=sys.stderr, flush=True)
            rows.append(measure(case, upstream, bench))
        print(f"{SOAKED_CALLS:,} calls", file=sys.stderr, flush=True)
        return rows + soak(upstream, bench)


def append_to(report: Path) -> None:
    """Adds the tables to the benchmark's report."""
    text = table(measure_all())
    with report.open("a") as out:
        out.write("\n## How cost grows\n\n" + text)
    print("\n" + text, end="")


def main() -> int:
    print(table(measure_all()), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
