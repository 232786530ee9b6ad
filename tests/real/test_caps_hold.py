"""More is asked than is allowed, for longer than a minute: no minute holds more than the cap, and little is given away.

Four gateways at once, so that it takes one minute and a quarter in all: with one, two and four workers, and one whose
workers and then whose whole are killed on the way.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.appliance.gateways import Gateway
from tests.appliance.papers import DEMO_MODELS

pytestmark = [pytest.mark.real, pytest.mark.alone]

CAP = 150
TIMES_THE_CAP = 5
SECONDS = 75.0
WINDOW = 60.0


@pytest.fixture
def gateways(tmp_path: Path) -> Iterator[list[Gateway]]:
    made = []
    for number, workers in enumerate((1, 2, 4, 2)):
        folder = tmp_path / str(number)
        folder.mkdir()
        each = Gateway(folder, DEMO_MODELS, workers=workers)
        assert each.ao("teams", "limit", "hospital", "ward-3", "--rpm", str(CAP)).returncode == 0
        each.start()
        made.append(each)
    yield made
    for each in made:
        each.stop()


async def load(gateway: Gateway, began: float, accepted: list[tuple[float, float]], refused: set[str]) -> None:
    """Asks TIMES_THE_CAP as often as is allowed, and notes when what was accepted was sent and answered, and the codes
    of what was not."""
    limits = httpx.Limits(max_keepalive_connections=0)
    headers = {"authorization": f"Bearer {gateway.key}"}
    body = {"model": "chat", "messages": [{"role": "user", "content": "x"}]}

    async def one() -> None:
        sent = time.monotonic()
        try:
            answer = await client.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers)
        except httpx.TransportError:
            return  # the one that is killed
        if answer.status_code == 200:
            accepted.append((sent, time.monotonic()))
        else:
            refused.add(answer.json()["error"]["code"])

    async with httpx.AsyncClient(verify=False, trust_env=False, limits=limits, timeout=20) as client:
        pending: set[asyncio.Task[None]] = set()
        while (now := time.monotonic()) < began + SECONDS:
            task = asyncio.create_task(one())
            pending.add(task)
            task.add_done_callback(pending.discard)
            await asyncio.sleep(max(0.0, now + WINDOW / (CAP * TIMES_THE_CAP) - time.monotonic()))
        await asyncio.gather(*pending)


async def violence(gateway: Gateway) -> None:
    """A worker dies, then everything at once, and it is started again; that while calls are admitted, and when none
    are."""
    await asyncio.sleep(4.0)
    os.kill(gateway.workers()[0], signal.SIGKILL)
    await asyncio.sleep(16.0)
    for worker in gateway.workers():
        os.kill(worker, signal.SIGKILL)
    await asyncio.to_thread(gateway.stop, signal.SIGKILL)
    await asyncio.to_thread(gateway.start)


def most_in_a_window(accepted: list[tuple[float, float]]) -> int:
    """Of the calls that were certainly admitted within some 60 seconds: sent after its begin, answered before its
    end."""
    return max(sum(begin <= sent and answered < begin + WINDOW for sent, answered in accepted) for begin, _ in accepted)


def test_no_minute_holds_more_than_the_cap_and_nearly_all_of_it_is_to_be_had(gateways: list[Gateway]) -> None:
    found: list[list[tuple[float, float]]] = [[] for _ in gateways]
    refused: set[str] = set()

    async def everything() -> None:
        began = time.monotonic()
        loads = [load(each, began, noted, refused) for each, noted in zip(gateways, found, strict=True)]
        await asyncio.gather(*loads, violence(gateways[-1]))

    asyncio.run(everything())
    assert refused == {"rate_limit_exceeded"}
    for accepted in found:
        assert most_in_a_window(accepted) <= CAP
    for accepted in found[:-1]:
        # The cap once at the beginning, and once more when the minute was over.
        assert len(accepted) >= 2 * CAP * 0.98
    # A call that was cut off used up its place.
    assert len(found[-1]) >= CAP * 0.9
