"""`python -m tests.soak --streams 1000 --seconds 600`: prints memory over time; exit 1 where it grew or a stream broke.

Everybody streams without a pause: a stream that has ended well is followed by the next one. The upstream is paced, so
that it is the number of streams that is tried, not their speed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.appliance.gateways import Gateway, models_text
from tests.real.paced_upstream import paced_upstream

GROWTH_LIMIT_MIB = 16
ANSWER_SECONDS = 20.0


@dataclass
class Soaked:
    """What came of it. `memory` holds (seconds since the start, MiB of the one worker)."""

    streams: int
    whole: int = 0
    broken: int = 0
    at_once: int = 0
    most_at_once: int = 0
    memory: list[tuple[float, float]] = field(default_factory=list)

    @property
    def growth(self) -> float:
        """From the median of the second quarter to that of the last one: the first is for warming up (MiB)."""
        sizes = [size for _, size in self.memory]
        quarter = max(1, len(sizes) // 4)
        return _median(sizes[-quarter:]) - _median(sizes[quarter : 2 * quarter])

    @property
    def good(self) -> bool:
        return self.growth < GROWTH_LIMIT_MIB and not self.broken and self.whole > 0


def _median(sizes: list[float]) -> float:
    return sorted(sizes)[len(sizes) // 2]


def soak(folder: Path, *, streams: int, seconds: float, answer_seconds: float = ANSWER_SECONDS) -> Soaked:
    """Runs it against a gateway and an upstream of its own."""
    with paced_upstream(folder, seconds=answer_seconds) as upstream:
        gateway = Gateway(folder, models_text({"paced": [upstream.base_url]}))
        gateway.start()
        try:
            return asyncio.run(_run(gateway, Soaked(streams), seconds))
        finally:
            gateway.stop()


async def _run(gateway: Gateway, soaked: Soaked, seconds: float) -> Soaked:
    until = time.monotonic() + seconds
    apps = [asyncio.create_task(_app(gateway, soaked, number, until)) for number in range(soaked.streams)]
    (worker,) = gateway.workers()
    since = time.monotonic()
    while time.monotonic() < until:
        await asyncio.sleep(max(0.5, seconds / 60))
        soaked.memory.append((time.monotonic() - since, _rss_mib(worker)))
    await asyncio.gather(*apps)
    return soaked


async def _app(gateway: Gateway, soaked: Soaked, number: int, until: float) -> None:
    await asyncio.sleep(number % 50 / 25)  # they do not all knock at the same moment
    while time.monotonic() < until:
        if await _stream(gateway, soaked):
            soaked.whole += 1
        else:
            soaked.broken += 1


async def _stream(gateway: Gateway, soaked: Soaked) -> bool:
    """Whether one stream came to its good end."""
    body = json.dumps({"model": "paced", "stream": True, "messages": [{"role": "user", "content": "x" * 500}]}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {gateway.key}\r\n"
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    except OSError:
        return False
    soaked.at_once += 1
    soaked.most_at_once = max(soaked.most_at_once, soaked.at_once)
    try:
        writer.write(f"{head}connection: close\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        last = b""
        while piece := await reader.read(65_536):
            last = (last + piece)[-64:]
        return b"data: [DONE]\n\n" in last
    except OSError:
        return False
    finally:
        soaked.at_once -= 1
        writer.close()


def _rss_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))


def report(soaked: Soaked) -> str:
    told = [f"{'seconds':>8} {'RSS MiB':>8}"]
    step = max(1, len(soaked.memory) // 12)
    told += [f"{at:8.0f} {size:8.1f}" for at, size in soaked.memory[::step]]
    told.append(f"{soaked.whole} streams whole, {soaked.broken} broken, {soaked.most_at_once} at once; ")
    return "\n".join(told) + f"memory grew by {soaked.growth:.1f} MiB (limit {GROWTH_LIMIT_MIB})"


def append_to(report_file: Path, *, seconds: float, streams: int = 1000) -> bool:
    """Adds a soak of so many seconds to a report that is there, and says it. Whether it went well."""
    with tempfile.TemporaryDirectory() as folder:
        soaked = soak(Path(folder), streams=streams, seconds=seconds)
    text = f"\n# {streams:,} streams at once for {seconds:.0f} s, one worker\n\n```\n{report(soaked)}\n```\n"
    print(text, end="")
    with report_file.open("a", encoding="utf-8") as stream:
        stream.write(text)
    return soaked.good


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=600)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        soaked = soak(Path(folder), streams=given.streams, seconds=given.seconds)
    print(report(soaked))
    return 0 if soaked.good else 1


if __name__ == "__main__":
    sys.exit(main())
