"""A stream's time limits: against the model server, and never against an app that reads slowly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from appliance.gateway.errors import UpstreamDown, UpstreamTimeout
from appliance.gateway.pace import Paced

LONG = 60.0


async def pieces(*parts: bytes | float | Exception) -> AsyncIterator[bytes]:
    for part in parts:
        if isinstance(part, float):
            await asyncio.sleep(part)
        elif isinstance(part, Exception):
            raise part
        else:
            yield part


def paced(*parts: bytes | float | Exception, idle: float = LONG, total: float | None = None) -> Paced:
    ends_at = None if total is None else asyncio.get_running_loop().time() + total
    return Paced(pieces(*parts), idle, ends_at)


def test_pieces_pass_as_they_are() -> None:
    async def story() -> None:
        assert [each async for each in paced(b"a", 0.001, b"b", total=LONG)] == [b"a", b"b"]

    asyncio.run(story())


def test_a_pause_that_is_too_long_is_a_timeout_and_ends_nothing_else() -> None:
    async def story() -> None:
        stream = paced(b"a", LONG, b"b", idle=0.05)
        assert await anext(stream) == b"a"
        with pytest.raises(UpstreamTimeout):
            await anext(stream)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await asyncio.sleep(0.06)

    asyncio.run(story())


def test_a_drip_is_bounded_by_the_total() -> None:
    async def story() -> None:
        stream = paced(*(part for _ in range(500) for part in (b".", 0.01)), idle=LONG, total=0.1)
        with pytest.raises(UpstreamTimeout):
            async for _ in stream:
                pass

    asyncio.run(story())


def test_the_apps_own_time_is_not_the_servers() -> None:
    async def story() -> None:
        stream = paced(b"a", b"b", b"c", idle=0.05)
        assert await anext(stream) == b"a"
        await asyncio.sleep(0.2)
        assert [each async for each in stream] == [b"b", b"c"]

    asyncio.run(story())


def test_a_total_that_ran_out_while_the_app_read_is_told_with_the_next_piece() -> None:
    async def story() -> None:
        stream = paced(b"a", b"b", total=0.05)
        assert await anext(stream) == b"a"
        await asyncio.sleep(0.1)
        with pytest.raises(UpstreamTimeout):
            await anext(stream)

    asyncio.run(story())


def test_an_app_that_goes_is_a_cancellation_and_no_timeout() -> None:
    async def story() -> None:
        async def read() -> None:
            async for _ in paced(b"a", LONG, idle=LONG):
                pass

        reading = asyncio.create_task(read())
        await asyncio.sleep(0.01)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    asyncio.run(story())


def test_what_the_stream_itself_raises_comes_through() -> None:
    async def story() -> None:
        with pytest.raises(UpstreamDown):
            [each async for each in paced(b"a", UpstreamDown("gone"))]

    asyncio.run(story())
