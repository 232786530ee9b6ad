"""Noticing that an app has gone, so that nobody computes for nobody.

Watching costs a task, so it starts only for calls that take longer than PATIENCE_SECONDS; a departure before that is
seen then. What is told is a cancellation of the exchange's own task, turned into `ClientGone` at the one place that
waits. A deployment whose policy is to let a call go on to its true count is given its time for that first.

A reader that takes nothing for STALL_SECONDS is gone as well: what it holds is an upstream's place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Protocol

from litestar.types import Receive

from appliance.gateway.request import ClientGone

PATIENCE_SECONDS = 0.25
STALL_SECONDS = 60.0


class Sending(Protocol):
    """What is on its way to the app: pieces `begun`, of which `sent` have been taken."""

    begun: int
    sent: int


class Departure:
    """`async with Departure(receive, …): …` raises ClientGone out of whatever is awaited inside.

    `grace` is asked when the app has gone: for how many more seconds the call may go on (0: not at all).
    """

    def __init__(
        self,
        receive: Receive,
        sending: Sending | None = None,
        grace: Callable[[], float] = lambda: 0.0,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        self._receive = receive
        self._sending = sending
        self._grace = grace
        self._stall_seconds = stall_seconds
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
            self._watch = None  # each would hold the other until somebody looked for cycles: kilobytes a stream
        if self._gone and kind is not None and issubclass(kind, asyncio.CancelledError):
            self._task.uncancel()
            raise ClientGone from error

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        self._watch = loop.create_task(self._until_gone())
        if self._sending is not None:
            self._timer = loop.call_later(self._stall_seconds, self._look, self._sending, self._sending.sent)

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._let_go(self._grace())

    def _look(self, sending: Sending, sent_before: int) -> None:
        """Whether anything has been taken since the last look, where anything was there to be taken."""
        if sending.begun > sending.sent == sent_before:
            if self._watch is not None:
                self._watch.cancel()
            self._let_go(0.0)
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._stall_seconds, self._look, sending, sending.sent)

    def _let_go(self, seconds: float) -> None:
        self._timer.cancel()
        if seconds > 0:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._let_go, 0.0)
            return
        self._gone = True
        self._task.cancel()
