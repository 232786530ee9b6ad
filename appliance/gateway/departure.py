"""Noticing that an app has gone, so that nobody computes for nobody.

Watching costs a task, so it starts only for calls that take longer than PATIENCE_SECONDS; a departure before that is
seen then. What is told is a cancellation of the exchange's own task, turned into `ClientGone` at the one place that
waits.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from litestar.types import Receive

from appliance.gateway.request import ClientGone

PATIENCE_SECONDS = 0.25


class Departure:
    """`async with Departure(receive): …` raises ClientGone out of whatever is awaited inside."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._gone = False
        self._watch: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("an exchange runs in a task")
        self._task = task
        self._timer = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._start)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._watch is not None:
            self._watch.cancel()
        if self._gone and kind is not None and issubclass(kind, asyncio.CancelledError):
            self._task.uncancel()
            raise ClientGone from error

    def _start(self) -> None:
        self._watch = asyncio.get_running_loop().create_task(self._until_gone())

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        self._task.cancel()
