"""`python -m tests.bench.resting`: whether this machine is fit for figures of latency.

A fixed piece of Python is timed again and again, and then after pauses. On a machine of one's own both take about as
long. Where others share its caches, what a program needs is gone after a few milliseconds: then each of 200 calls a
second finds the caches empty, and what it waits for tells more of the machine than of the gateway.
"""

from __future__ import annotations

import ast
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

TIMES = 300
PAUSE_SECONDS = 0.005
"""That between two calls at 200 a second."""
TEXT = Path(ast.__file__).read_text(encoding="utf-8")[:1500]


def piece_of_work() -> None:
    """About as long, and through as many places of the interpreter, as a call."""
    for node in ast.walk(ast.parse(TEXT.rpartition("\n\n")[0])):
        if isinstance(node, ast.Name):
            ast.dump(node)


def at_rest() -> None:
    time.sleep(PAUSE_SECONDS)


def busy_elsewhere() -> None:
    """Holds the processor meanwhile, and touches next to no memory."""
    ends = time.perf_counter() + PAUSE_SECONDS
    while time.perf_counter() < ends:
        pass


def microseconds(pause: Callable[[], None] = lambda: None, times: int = TIMES) -> float:
    """The median of one piece of work after such a pause."""
    taken = []
    for _ in range(times):
        pause()
        start = time.perf_counter_ns()
        piece_of_work()
        taken.append((time.perf_counter_ns() - start) / 1e3)
    return median(taken)


def lines() -> list[str]:
    """The figures, a row of a Markdown table each."""
    microseconds()  # warms up
    found = [
        ("again and again", microseconds()),
        (f"after {PAUSE_SECONDS * 1e3:.0f} ms at rest", microseconds(at_rest)),
        (f"after {PAUSE_SECONDS * 1e3:.0f} ms in which it held the processor", microseconds(busy_elsewhere)),
    ]
    return [
        "| a fixed piece of Python | µs |",
        "| --- | --- |",
        *(f"| {what} | {taken:.0f} |" for what, taken in found),
    ]


def append_to(report: Path) -> None:
    """Says the figures, and adds them to a report that is there."""
    text = "\n" + "\n".join(["# What the caches of this machine keep", "", *lines()]) + "\n"
    print(text, end="")
    with report.open("a", encoding="utf-8") as stream:
        stream.write(text)


if __name__ == "__main__":
    sys.stdout.write("\n".join(lines()) + "\n")
