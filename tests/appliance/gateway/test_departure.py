"""An app that leaves is noticed, and nothing else is mistaken for it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from appliance.gateway.departure import PATIENCE_SECONDS, Departure
from appliance.gateway.request import ClientGone


def leaving_after(seconds: float | None) -> Any:
    async def receive() -> dict[str, Any]:
        await asyncio.sleep(3600 if seconds is None else seconds)
        return {"type": "http.disconnect"}

    return receive


async def _watched(receive: Any, work: float) -> str:
    async with Departure(receive):
        await asyncio.sleep(work)
    return "done"


def test_work_that_is_done_while_the_app_stays_is_done() -> None:
    assert asyncio.run(_watched(leaving_after(None), 0.01)) == "done"
    assert asyncio.run(_watched(leaving_after(None), PATIENCE_SECONDS * 1.5)) == "done"


def test_an_app_that_leaves_ends_the_wait_within_a_second() -> None:
    started = time.monotonic()
    with pytest.raises(ClientGone):
        asyncio.run(_watched(leaving_after(0.05), 60))
    assert time.monotonic() - started < 1


def test_a_cancellation_from_elsewhere_stays_one() -> None:
    async def cancelled() -> None:
        task = asyncio.create_task(_watched(leaving_after(None), 60))
        await asyncio.sleep(0.01)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())


def test_the_task_goes_on_as_usual_after_a_departure() -> None:
    async def both() -> str:
        try:
            await _watched(leaving_after(0.01), 60)
        except ClientGone:
            await asyncio.sleep(0.01)
            return "gone"
        return "stayed"

    assert asyncio.run(both()) == "gone"


def test_a_fault_inside_stays_that_fault() -> None:
    async def failing() -> None:
        async with Departure(leaving_after(None)):
            raise KeyError("x")

    with pytest.raises(KeyError):
        asyncio.run(failing())


class Stuck:
    """Something is on its way to the app, and is not taken."""

    begun = 3
    sent = 2


def test_a_reader_that_takes_nothing_is_gone_after_its_time() -> None:
    async def stalled() -> None:
        async with Departure(leaving_after(None), Stuck(), stall_seconds=0.1):
            await asyncio.sleep(60)

    with pytest.raises(ClientGone):
        asyncio.run(stalled())


def test_a_reader_that_waits_for_the_model_is_not_stalled() -> None:
    async def waiting() -> str:
        sending = Stuck()
        sending.sent = sending.begun
        async with Departure(leaving_after(None), sending, stall_seconds=0.1):
            await asyncio.sleep(PATIENCE_SECONDS + 0.5)
        return "answered"

    assert asyncio.run(waiting()) == "answered"


def test_a_call_that_may_go_on_is_done_behind_a_departure_or_ended_after_its_grace() -> None:
    async def going_on(work: float) -> str:
        async with Departure(leaving_after(0.01), grace=lambda: 0.5):
            await asyncio.sleep(work)
        return "counted"

    assert asyncio.run(going_on(PATIENCE_SECONDS + 0.2)) == "counted"
    with pytest.raises(ClientGone):
        asyncio.run(going_on(60))
