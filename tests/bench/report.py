"""Turns what was measured into a table: medians over the rounds, differences from the same round's direct call."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median

import msgspec

from .measure import CORE_SHARE_NEEDED, Plan, Visit

HEADINGS = (
    "subject",
    "requests/s",
    "CPU ms per request",
    "stream CPU µs per chunk",
    "chunks/s",
    "added p50 / p99 ms at 200/s",
    "added TTFT ms",
    "RSS MiB, idle / loaded",
    "ready s",
)
BUDGET = ("*budget*", "", "≤ 0.25", "≤ 25", "", "≤ 1 / –", "≤ 2", "≤ 130", "≤ 1.5")
REFERENCE = {"nginx": 0.019, "portkey": 2.7, "litellm": 13.8}
"""CPU ms a request of these programs (nginx-light, Portkey 1.15, LiteLLM 1.106) on the machine that the budget was made
on. What they take in the same run tells how fast this machine is now."""
NOTES = """\
Medians over the rounds. CPU is user and system time of the subject's whole process tree. A closed-loop run in which
that time explains less than {share:.0%} of the core is thrown away ("discarded"); a run with a wrong answer in it
counts nowhere ("failed"). Added latency is over the direct call of the same round, which is given in brackets. RSS is
the worker's. Ready is from the start of the command to its first 200. Load begins once a subject has come to rest after
its start, whose whole CPU time stands in the second table."""


@dataclass
class Measured:
    """All that came of one run of the benchmark."""

    plan: Plan
    visits: dict[str, list[Visit | None]] = field(default_factory=dict)  # by subject; None where a round failed
    not_measured: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    appliance: str = ""
    """What the row `ao` is: a release, or a checkout, and its Python."""


@dataclass(frozen=True)
class Figures:
    """The medians of one subject. None where nothing could be measured, or no run was left."""

    visits: int
    closed_loops_discarded: int
    closed_loops_failed: int
    requests_per_second: float | None
    cpu_ms_per_request: float | None
    core_share: float | None
    cpu_us_per_chunk: float | None
    chunks_per_second: float | None
    stream_core_share: float | None
    p50_ms: float | None
    p99_ms: float | None
    ttft_ms: float | None
    added_p50_ms: float | None
    added_p99_ms: float | None
    added_ttft_ms: float | None
    rss_idle_mib: float | None
    rss_loaded_mib: float | None
    ready_seconds: float | None
    start_cpu_seconds: float | None


def middle(values: Iterable[float | None]) -> float | None:
    """The median of those that there are."""
    known = [value for value in values if value is not None]
    return median(known) if known else None


def figures(rounds: list[Visit | None], direct: list[Visit | None]) -> Figures:
    """The direct call's own differences are zero."""
    visits = [visit for visit in rounds if visit is not None]
    pairs = [(visit, base) for visit, base in zip(rounds, direct, strict=True) if visit and base]

    all_plain = [visit.plain for visit in visits if visit.plain]
    good_plain = [loop for loop in all_plain if not loop.result.complaint()]
    plain = [loop for loop in good_plain if loop.core_share >= CORE_SHARE_NEEDED]
    streams = [visit.streams for visit in visits if visit.streams and not visit.streams.result.complaint()]
    fixed = [visit.fixed for visit in visits if not visit.fixed.complaint()]
    paced = [visit.paced for visit in visits if not visit.paced.complaint()]

    fixed_pairs = [(a.fixed, b.fixed) for a, b in pairs if not (a.fixed.complaint() or b.fixed.complaint())]
    paced_pairs = [(a.paced, b.paced) for a, b in pairs if not (a.paced.complaint() or b.paced.complaint())]
    return Figures(
        visits=len(visits),
        closed_loops_discarded=len(good_plain) - len(plain),
        closed_loops_failed=len(all_plain) - len(good_plain),
        requests_per_second=middle(loop.result.rps for loop in plain),
        cpu_ms_per_request=middle(loop.cpu_per_request * 1e3 for loop in plain),
        core_share=middle(loop.core_share for loop in good_plain),
        cpu_us_per_chunk=middle(loop.cpu_per_event * 1e6 for loop in streams),
        chunks_per_second=middle(loop.result.events_per_s for loop in streams),
        stream_core_share=middle(loop.core_share for loop in streams),
        p50_ms=middle(run.p50 for run in fixed),
        p99_ms=middle(run.p99 for run in fixed),
        ttft_ms=middle(run.ttft_p50 for run in paced),
        added_p50_ms=middle(run.p50 - base.p50 for run, base in fixed_pairs),
        added_p99_ms=middle(run.p99 - base.p99 for run, base in fixed_pairs),
        added_ttft_ms=middle(run.ttft_p50 - base.ttft_p50 for run, base in paced_pairs),
        rss_idle_mib=middle(visit.rss_idle for visit in visits),
        rss_loaded_mib=middle(visit.rss_loaded for visit in visits),
        ready_seconds=middle(visit.ready_seconds for visit in visits),
        start_cpu_seconds=middle(visit.start_cpu_seconds for visit in visits),
    )


def number(value: float | None, form: str) -> str:
    """A cell; a dash where there is nothing to say."""
    return "–" if value is None else format(value, form)


def main_row(name: str, of: Figures) -> tuple[str, ...]:
    """The row under HEADINGS."""
    latency = f"{number(of.added_p50_ms, '.2f')} / {number(of.added_p99_ms, '.2f')}"
    ttft = number(of.added_ttft_ms, ".2f")
    if name == "direct":
        latency = f"({number(of.p50_ms, '.2f')} / {number(of.p99_ms, '.2f')})"
        ttft = f"({number(of.ttft_ms, '.2f')})"
    lost = "failed" if of.closed_loops_failed else "discarded" if of.closed_loops_discarded else "–"
    has_closed_loop = of.requests_per_second is not None
    return (
        name,
        number(of.requests_per_second, ",.0f") if has_closed_loop else lost,
        number(of.cpu_ms_per_request, ".3f") if has_closed_loop else lost,
        number(of.cpu_us_per_chunk, ".1f"),
        number(of.chunks_per_second, ",.0f"),
        latency,
        ttft,
        "–" if of.rss_loaded_mib is None else f"{number(of.rss_idle_mib, '.0f')} / {of.rss_loaded_mib:.0f}",
        number(of.ready_seconds, ".2f"),
    )


def detail_rows(measured: Measured) -> list[tuple[str, ...]]:
    """What stands behind the main table."""
    rows: list[tuple[str, ...]] = []
    for name, of in all_figures(measured).items():
        if name == "direct":
            continue
        per_cpu_second = None if of.cpu_ms_per_request is None else 1000 / of.cpu_ms_per_request
        rows.append(
            (
                name,
                f"{of.visits} of {measured.plan.rounds}",
                f"{of.closed_loops_discarded} / {of.closed_loops_failed}",
                number(of.core_share, ".0%"),
                number(per_cpu_second, ",.0f"),
                number(of.stream_core_share, ".0%"),
                number(of.start_cpu_seconds, ".1f"),
            )
        )
    return rows


DETAIL_HEADINGS = (
    "subject",
    "rounds",
    "closed loops discarded / failed",
    "core explained",
    "requests per CPU second",
    "core explained, streams",
    "CPU s of the start",
)


def all_figures(measured: Measured) -> dict[str, Figures]:
    """Of every subject that was visited."""
    return {name: figures(rounds, measured.visits["direct"]) for name, rounds in measured.visits.items()}


def costs_of(measured: Measured) -> dict[str, float | None]:
    """CPU ms a request, by subject."""
    return {name: of.cpu_ms_per_request for name, of in all_figures(measured).items()}


def slowness(costs: Mapping[str, float | None]) -> dict[str, float]:
    """How many times as long as on the budget's machine each of the others took, by subject: CPU ms in, ratios out."""
    return {name: cost / known for name, known in REFERENCE.items() if (cost := costs.get(name)) is not None}


def told_of_machine(costs: Mapping[str, float | None]) -> str | None:
    """How this machine compares with the budget's, and what the appliance's call is on that one. None without peers."""
    own, ratios = costs.get("ao"), slowness(costs)
    if own is None or not ratios:
        return None
    factor = median(ratios.values())
    each = ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
    return (
        f"The others took {factor:.2f} times the CPU here that they take on the machine of the budget ({each}): "
        f"on that one, the appliance's call is {own / factor:.3f} ms."
    )


def table(headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """In Markdown."""
    lines = [headings, tuple("---" for _ in headings), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def machine() -> dict[str, str]:
    """What the numbers depend on."""
    cpu = [line.partition(":")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    return {
        "cpu": cpu[0].strip() if cpu else platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "date": datetime.now().astimezone().isoformat(timespec="minutes"),
    }


def markdown(measured: Measured) -> str:
    """The report as a person reads it."""
    plan = measured.plan
    of_machine = ", ".join(f"{name} {value}" for name, value in machine().items())
    main = [main_row(name, of) for name, of in all_figures(measured).items()]
    parts = [
        f"# What the gateway costs\n\n{of_machine}. Rounds: {plan.rounds}, runs of {plan.seconds:g} s.\n"
        f"The appliance: {measured.appliance or 'not measured'}.",
        table(HEADINGS, [*main, BUDGET]),
        *([table(DETAIL_HEADINGS, details)] if (details := detail_rows(measured)) else []),
        NOTES.format(share=CORE_SHARE_NEEDED),
        *([compared] if (compared := told_of_machine(costs_of(measured))) else []),
    ]
    remarks = [f"- {name} was not measured: {why}" for name, why in measured.not_measured.items()]
    remarks += [f"- {failure}" for failure in measured.failures]
    return "\n\n".join([*parts, *(["\n".join(remarks)] if remarks else [])]) + "\n"


def write(measured: Measured, folder: Path) -> str:
    """Writes report.md and report.json; returns what is in the first."""
    text = markdown(measured)
    (folder / "report.md").write_text(text)
    everything = {
        "machine": machine(),
        "medians": {name: asdict(of) for name, of in all_figures(measured).items()},
        "measured": msgspec.to_builtins(measured),
    }
    (folder / "report.json").write_bytes(msgspec.json.format(msgspec.json.encode(everything), indent=2))
    return text
