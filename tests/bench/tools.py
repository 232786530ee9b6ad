"""The two C programs beside this module: compiles them, runs them, and parses what the load generator prints."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from .processes import BenchError, pinned, running

HERE = Path(__file__).resolve().parent
OUTPUT = HERE.parents[1] / ".bench"
LOGS = OUTPUT / "logs"
START_SECONDS = 10.0
DRAIN_SECONDS = 30.0  # beyond the generator's own limit: a generator that hangs is a defect


class Endpoint(msgspec.Struct, frozen=True):
    """Where a subject answers, and what it must be told."""

    port: int
    key: str
    model: str
    headers: str = ""  # further header lines, each ending in CR LF


class Load(msgspec.Struct, frozen=True):
    """One run of the load generator. A rate of 0 is a closed loop."""

    body: bytes
    connections: int
    seconds: float
    warm_up: float
    rate: float = 0
    events: int = 0  # that each answer must have, as a stream; 0 if it is none
    path: str = "/v1/chat/completions"


class LoadResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the load generator printed. Times in milliseconds; `n`, `rps` and quantiles leave the warm-up out."""

    n: int
    total: int
    rps: float
    errors: int
    statuses: dict[str, int]
    broken: int
    refused: int
    wrong_streams: int
    unfinished: int
    events_total: int
    events_per_s: float
    p50: float
    p90: float
    p99: float
    max: float
    ttft_p50: float
    ttft_p99: float

    def complaint(self) -> str | None:
        """What went wrong, in words; None if every request got a whole answer."""
        kinds = {f"status {status}": count for status, count in self.statuses.items()}
        kinds |= {"cut off": self.broken, "refused": self.refused}
        kinds |= {"streams with events missing or too many": self.wrong_streams, "unfinished": self.unfinished}
        said = [f"{count} × {kind}" for kind, count in kinds.items() if count]
        if not said and self.n == 0:
            said = ["no answer at all"]
        return ", ".join(said) or None


def compile_tool(name: str, output: Path, *flags: str) -> Path:
    """Compiles NAME.c beside this module to OUTPUT/NAME."""
    output.mkdir(parents=True, exist_ok=True)
    program = output / name
    command = ["gcc", "-O2", *flags, "-o", str(program), str(HERE / f"{name}.c")]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise BenchError("the benchmark's tools are C programs: install gcc") from error
    if done.returncode:
        raise BenchError(f"{name}.c does not compile:\n{done.stderr}")
    return program


@contextmanager
def serving_upstream(program: Path, core: int, logs: Path) -> Iterator[Endpoint]:
    """The upstream on a port that the kernel chose."""
    with running("upstream", [str(program), "0"], core, logs) as child:
        deadline = time.monotonic() + START_SECONDS
        while not (said := child.stdout.read_text()).endswith("\n"):
            child.check()
            if time.monotonic() > deadline:
                raise BenchError("the upstream does not become ready")
            time.sleep(0.01)
        yield Endpoint(port=int(said.removeprefix("ready ")), key="none", model="bench-model")


def run_load(program: Path, endpoint: Endpoint, load: Load, core: int, scratch: Path) -> LoadResult:
    """Runs the load to its end."""
    body = scratch / "body.json"
    body.write_bytes(load.body)
    command = [str(program), "-p", str(endpoint.port), "-P", load.path, "-k", endpoint.key, "-b", str(body)]
    command += ["-H", endpoint.headers]
    command += ["-c", str(load.connections), "-r", str(load.rate)]
    command += ["-d", str(load.seconds), "-w", str(load.warm_up)]
    command += ["-s", str(load.events)]
    limit = load.seconds + load.warm_up + DRAIN_SECONDS
    try:
        with pinned(core):
            done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=limit)
    except subprocess.TimeoutExpired as error:
        raise BenchError("the load generator does not end") from error
    if done.returncode:
        raise BenchError(f"the load generator failed: {done.stderr.decode(errors='replace').strip()}")
    return msgspec.json.decode(done.stdout, type=LoadResult)
