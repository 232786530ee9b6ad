"""One visit to one subject: every measurement of it, in order, each a run of the load generator."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from .processes import Child
from .subjects import Subject
from .tools import Endpoint, Load, LoadResult, run_load

CONNECTIONS = 32
FIXED_RATE = 200.0  # requests a second, at which the budget states the added latency
PACED_RATE = 20.0  # streams a second; each lasts a third of a second, so that about seven are open
REQUEST_BYTES = 1200
EVENTS_PER_STREAM = 65  # 64 chunks and [DONE]: this client asks for no usage, and so must not see the usage chunk
CORE_SHARE_NEEDED = 0.9
FILLER = "Lorem ipsum dolor sit amet, consectetur adipiscing elit. "


@dataclass(frozen=True)
class Plan:
    """How long each run lasts."""

    rounds: int
    seconds: float
    warm_up: float


@dataclass(frozen=True)
class Bench:
    """What every measurement needs: the compiled load generator, the cores, and a folder to write in."""

    load_program: Path
    gateway_core: int
    load_core: int
    scratch: Path


@dataclass(frozen=True)
class ClosedLoop:
    """As many requests as the subject can take, and the CPU time of its whole process tree meanwhile."""

    result: LoadResult
    cpu_seconds: float

    @property
    def cpu_per_request(self) -> float:
        """Seconds. The CPU time covers warm-up and drain, and so does the number of answers."""
        return self.cpu_seconds / max(1, self.result.total)

    @property
    def cpu_per_event(self) -> float:
        """Seconds."""
        return self.cpu_seconds / max(1, self.result.events_total)

    @property
    def core_share(self) -> float:
        """How much of the core the subject's own CPU time explains: little if others used it, or the load is slow."""
        return self.cpu_per_request * self.result.rps


@dataclass(frozen=True)
class Visit:
    """What was measured of one subject in one round. The direct call has only the latencies."""

    fixed: LoadResult
    paced: LoadResult
    plain: ClosedLoop | None = None
    streams: ClosedLoop | None = None
    rss_idle: float | None = None
    rss_loaded: float | None = None
    ready_seconds: float | None = None
    start_cpu_seconds: float | None = None

    def complaints(self) -> list[str]:
        """Every run with a wrong answer in it. Its figures are not to be believed."""
        runs = {"fixed rate": self.fixed, "paced streams": self.paced}
        if self.plain and self.streams:
            runs |= {"closed loop": self.plain.result, "streams": self.streams.result}
        return [f"{name}: {complaint}" for name, run in runs.items() if (complaint := run.complaint())]


def visit(subject: Subject, upstream: Endpoint, plan: Plan, bench: Bench) -> Visit:
    """Starts the subject, measures it, stops it."""
    with subject.serve(upstream, bench.gateway_core) as running:
        model = running.endpoint.model

        def run(body: bytes, rate: float = 0, events: int = 0) -> LoadResult:
            load = Load(body, CONNECTIONS, plan.seconds, plan.warm_up, rate, events)
            result = run_load(bench.load_program, running.endpoint, load, bench.load_core, bench.scratch)
            if running.child is not None:
                running.child.check()  # a subject that died under load is said to have, rather than measured further
            return result

        def fixed_rate() -> LoadResult:
            return run(chat(model), FIXED_RATE)

        def paced_streams() -> LoadResult:
            return run(chat(model, "paced", stream=True), PACED_RATE, EVENTS_PER_STREAM)

        if running.child is None:
            return Visit(fixed=fixed_rate(), paced=paced_streams())
        child = running.child
        idle = {pid: stat.rss_mib for pid, stat in child.tree().items()}

        before = child.cpu_seconds()
        result = run(chat(model))
        plain = ClosedLoop(result, child.cpu_seconds() - before)

        before = child.cpu_seconds()
        result = run(chat(model, stream=True), events=EVENTS_PER_STREAM)
        streams = ClosedLoop(result, child.cpu_seconds() - before)

        fixed, paced = fixed_rate(), paced_streams()
        worker = busiest(child)
        return Visit(
            fixed=fixed,
            paced=paced,
            plain=plain,
            streams=streams,
            rss_idle=idle.get(worker),
            rss_loaded=child.tree()[worker].rss_mib,
            ready_seconds=running.ready_seconds,
            start_cpu_seconds=running.start_cpu_seconds,
        )


def busiest(child: Child) -> int:
    """The worker, among supervisors and helpers: after load it is the process that has worked."""
    tree = child.tree()
    return max(tree, key=lambda pid: tree[pid].cpu_seconds)


def chat(model: str, word: str = "plain", *, stream: bool = False) -> bytes:
    """A chat completion request of REQUEST_BYTES. The upstream paces a stream whose request holds the word "paced"."""
    asked = f"This is a {word} request. "

    def written() -> bytes:
        system = {"role": "system", "content": "You are a helpful assistant. Answer in one short paragraph."}
        messages = [system, {"role": "user", "content": asked}]
        return json.dumps(
            {"model": model, "messages": messages, "temperature": 0.7, "max_tokens": 256, "stream": stream}
        ).encode()

    missing = max(0, REQUEST_BYTES - len(written()))
    asked += (FILLER * (1 + missing // len(FILLER)))[:missing]
    return written()


def cores() -> tuple[int, int]:
    """One core for the gateway, another for load and upstream; the same one twice if there is no other."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[1 % len(usable)]
