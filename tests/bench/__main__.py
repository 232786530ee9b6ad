"""`python -m tests.bench`: every subject in turn, round by round (A B A B), and the medians as a table."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

import tests.soak.__main__ as soak

from . import growth, ledger, published, quota_cost, reconcile_cost, resting, verify_cost
from .measure import Bench, Plan, Visit, cores, visit
from .peers import LiteLLM, Portkey
from .processes import BenchError, pinned
from .report import Measured, write
from .subjects import APPLIANCE, Subject
from .subjects import SUBJECTS as OWN_SUBJECTS
from .tools import LOGS, OUTPUT, Endpoint, compile_tool, serving_upstream

SUBJECTS: tuple[Subject, ...] = (*OWN_SUBJECTS, LiteLLM(), Portkey())

EPILOG = """\
The subject runs on one core, load and upstream on another. Per round and subject: closed loop, streams in closed loop,
200 requests/s, paced streams. Then what this machine's caches keep, how cost grows, what caps, believing, the ledger
and reconciling cost, and a short soak. All of it takes about ten minutes (`make soak` is the long one). The report goes
to standard output and to .bench/report.md and .bench/report.json; what the subjects said is in .bench/logs. --keep also
puts it under its date into tests/bench/reports, and its table into README.md. The exit code is 1 if anything could not
be measured right; being slow is no error.
"""


def arguments() -> argparse.Namespace:
    """Parses the command line."""
    names = [subject.name for subject in SUBJECTS]
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__, epilog=EPILOG)
    parser.add_argument("--rounds", type=int, default=3, help="visits to each subject; medians are quoted (default 3)")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one run, after its warm-up (default 3)")
    parser.add_argument("--only", default=",".join(names), help=f"of {','.join(names)}; direct is always measured")
    parser.add_argument("--quick", action="store_true", help="one round of one-second runs, to see that all works")
    parser.add_argument("--soak", type=float, default=60.0, help="seconds of a thousand streams at once (default 60)")
    parser.add_argument(
        "--keep", action="store_true", help="keep the report under its date, and tell of it in README.md"
    )
    parsed = parser.parse_args()
    chosen = parsed.only.split(",")
    if unknown := set(chosen) - set(names):
        parser.error(f"unknown subject {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    if parsed.rounds < 1 or parsed.seconds <= 0:
        parser.error("at least one round of some seconds is needed")
    parsed.subjects = [subject for subject in SUBJECTS if subject.name in {"direct", *chosen}]
    return parsed


def say(text: str) -> None:
    """Progress goes to standard error, so that standard output is the report."""
    print(text, file=sys.stderr, flush=True)


def try_visit(subject: Subject, upstream: Endpoint, measured: Measured, bench: Bench) -> Visit | None:
    """A subject that fails is a line in the report; the others are still measured."""
    try:
        seen = visit(subject, upstream, measured.plan, bench)
    except BenchError as error:
        measured.failures.append(f"{subject.name}: {error}")
        say(f"  {error}")
        return None
    measured.failures += [f"{subject.name}: {complaint}" for complaint in seen.complaints()]
    return seen


def measure_all(subjects: list[Subject], plan: Plan) -> Measured:
    """The rounds."""
    measured = Measured(plan, appliance=APPLIANCE.described)
    present = []
    for subject in subjects:
        if why := subject.missing():
            measured.not_measured[subject.name] = why
        else:
            present.append(subject)
            measured.visits[subject.name] = []
    gateway_core, load_core = cores()
    if gateway_core == load_core:
        measured.failures.append("there is only one core: gateway and load share it, and the figures mean little")
    load_program, upstream_program = compile_tool("load", OUTPUT), compile_tool("upstream", OUTPUT)
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as scratch,
        serving_upstream(upstream_program, load_core, LOGS) as upstream,
        pinned(load_core),
    ):
        bench = Bench(load_program, gateway_core, load_core, Path(scratch))
        for number in range(1, plan.rounds + 1):
            for subject in present:
                say(f"round {number} of {plan.rounds}: {subject.name}")
                measured.visits[subject.name].append(try_visit(subject, upstream, measured, bench))
    return measured


def main() -> int:
    """Runs the benchmark; whatever ends it also ends its children."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    asked = arguments()
    plan = Plan(asked.rounds, asked.seconds, warm_up=min(1.0, asked.seconds / 4))
    if asked.quick:
        plan = Plan(rounds=1, seconds=1.0, warm_up=0.25)
    try:
        measured = measure_all(asked.subjects, plan)
    except BenchError as error:
        say(f"bench: {error}")
        return 1
    except KeyboardInterrupt:
        say("bench: interrupted")
        return 130
    print(write(measured, OUTPUT), end="")
    say("what the caches of this machine keep")
    resting.append_to(OUTPUT / "report.md")
    say("how cost grows")
    growth.append_to(OUTPUT / "report.md")
    say("what caps cost")
    quota_cost.append_to(OUTPUT / "report.md")
    say("what believing costs")
    verify_cost.append_to(OUTPUT / "report.md")
    say("what the ledger costs")
    ledger.append_to(OUTPUT / "report.md")
    say("what reconciling costs")
    reconcile_cost.append_to(OUTPUT / "report.md")
    say("a thousand streams at once")
    soaked = soak.append_to(OUTPUT / "report.md", seconds=asked.soak)
    if asked.keep:
        say(f"kept as {published.publish(OUTPUT)}")
    return 1 if measured.failures or "ao" in measured.not_measured or not soaked else 0


if __name__ == "__main__":
    sys.exit(main())
