"""Places in a deployment: never more than its limit over all workers, given in turn, given back whatever happens."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.config.policy import Limits
from appliance.gateway.errors import DeploymentFull
from appliance.gateway.slots import Slots
from tests.appliance.gateway.routing.deployments import Fake, fake


def limited(concurrent: int, queue: int = 0, seconds: float = 30.0, name: str = "chat#1") -> Fake:
    return fake(name, limits=Limits(concurrent, queue, seconds))


@pytest.fixture
def slots(tmp_path: Path) -> Iterator[Slots]:
    made = Slots(tmp_path / "slots")
    yield made
    made.close()


def test_there_are_as_many_places_as_the_limit_says(slots: Slots) -> None:
    two = limited(2)
    taken = [slots.take(two) for _ in range(3)]
    assert taken == [0, 1, None]
    slots.give_back("chat#1", 0)
    assert slots.take(two) == 0
    assert slots.take(limited(2, name="chat#2")) == 0, "another deployment has places of its own"


def test_workers_share_the_places(slots: Slots, tmp_path: Path) -> None:
    other = Slots(tmp_path / "slots")
    one = limited(1)
    assert slots.take(one) == 0
    assert other.take(one) is None
    slots.give_back("chat#1", 0)
    assert other.take(one) == 0
    other.close()
    assert slots.take(one) == 0, "the end of a worker gives back what it held"


def test_a_worker_that_is_killed_holds_nothing(slots: Slots, tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from appliance.gateway.slots import Slots\n"
        "from tests.appliance.gateway.test_slots import limited\n"
        f"print(Slots(Path({str(tmp_path / 'slots')!r})).take(limited(1)), flush=True); time.sleep(60)"
    )
    root = Path(__file__).resolve().parents[3]
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "0\n"
        assert slots.take(limited(1)) is None
        process.kill()
        process.wait(10)
    assert slots.take(limited(1)) == 0


def test_a_full_queue_is_refused_at_once(slots: Slots) -> None:
    async def story() -> None:
        one = limited(1, queue=1)
        slots.take(one)
        waiting = asyncio.create_task(slots.queue(one, "key", 30))
        await asyncio.sleep(0)
        began = time.monotonic()
        with pytest.raises(DeploymentFull) as refused:
            await slots.queue(one, "other", 30)
        assert time.monotonic() - began < 5
        assert dict(refused.value.headers)[b"retry-after"] == b"1"
        slots.give_back("chat#1", 0)
        assert await waiting == 0

    asyncio.run(story())


def test_who_waits_too_long_is_told_so_and_leaves_the_queue(slots: Slots) -> None:
    async def story() -> None:
        one = limited(1, queue=1, seconds=0.05)
        slots.take(one)
        with pytest.raises(DeploymentFull):
            await slots.queue(one, "key", 30)
        assert slots.waiting() == {}

    asyncio.run(story())


def test_keys_take_turns_so_that_one_busy_app_keeps_nobody_out(slots: Slots) -> None:
    async def story() -> None:
        one = limited(1, queue=10)
        slots.take(one)
        served: list[str] = []

        async def call(key: str) -> None:
            slot = await slots.queue(one, key, 30)
            served.append(key)
            slots.give_back("chat#1", slot)

        calls = [asyncio.create_task(call(key)) for key in ("busy", "busy", "busy", "busy", "quiet", "other")]
        await asyncio.sleep(0)
        assert slots.waiting() == {"chat#1": 6}
        slots.give_back("chat#1", 0)
        await asyncio.gather(*calls)
        assert served == ["busy", "quiet", "other", "busy", "busy", "busy"]

    asyncio.run(story())


def test_who_goes_away_while_waiting_takes_no_place_along(slots: Slots) -> None:
    async def story() -> None:
        one = limited(1, queue=10)
        slots.take(one)
        gone, stays = (asyncio.create_task(slots.queue(one, key, 30)) for key in ("gone", "stays"))
        await asyncio.sleep(0)
        gone.cancel()
        slots.give_back("chat#1", 0)
        assert await stays == 0
        with pytest.raises(asyncio.CancelledError):
            await gone
        # The same, with the turn already given when the app goes.
        late = asyncio.create_task(slots.queue(one, "late", 30))
        await asyncio.sleep(0)
        slots.give_back("chat#1", 0)
        late.cancel()
        with pytest.raises(asyncio.CancelledError):
            await late
        assert slots.take(one) == 0

    asyncio.run(story())


def test_a_place_that_another_worker_gives_back_is_found(slots: Slots, tmp_path: Path) -> None:
    async def story() -> None:
        other = Slots(tmp_path / "slots")
        one = limited(1, queue=1)
        assert other.take(one) == 0
        waiting = asyncio.create_task(slots.queue(one, "key", 30))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        other.give_back("chat#1", 0)
        assert await asyncio.wait_for(waiting, 10) == 0
        other.close()

    asyncio.run(story())


def test_never_more_than_the_limit_are_under_way_whatever_happens(slots: Slots, tmp_path: Path) -> None:
    """Sixty calls of two workers, some of them leaving: at no moment more than three, and in the end none."""

    async def story() -> None:
        other = Slots(tmp_path / "slots")
        three = limited(3, queue=100)
        under_way = most = 0

        async def call(number: int) -> None:
            nonlocal under_way, most
            mine = other if number % 2 else slots
            slot = mine.take(three)
            if slot is None:
                slot = await mine.queue(three, f"key-{number % 5}", 30)
            under_way += 1
            most = max(most, under_way)
            try:
                await asyncio.sleep(0.001 * (number % 4))
            finally:
                under_way -= 1
                mine.give_back("chat#1", slot)

        calls = [asyncio.create_task(call(number)) for number in range(60)]
        await asyncio.sleep(0.005)
        for number in range(0, 60, 7):
            calls[number].cancel()
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert all(each is None or isinstance(each, asyncio.CancelledError) for each in ended)
        assert (most, under_way) == (3, 0)
        assert [slots.take(three) for _ in range(4)] == [0, 1, 2, None]
        other.close()

    asyncio.run(story())
