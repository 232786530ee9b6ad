"""A stream held to its deployment's time limits: `idle` between two pieces, `total` for all of it.

Only the upstream's time counts: while the app takes its own time to read, no clock runs against the model server. One
timer watches the whole stream, so a piece costs no more than a look at a clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from appliance.gateway.errors import UpstreamTimeout


class Paced(AsyncIterator[bytes]):
    """The pieces as they come. Raises UpstreamTimeout, and what the stream itself raises. `ends_at` is loop time."""

    def __init__(self, chunks: AsyncIterator[bytes], idle_seconds: float, ends_at: float | None) -> None:
        self._chunks = chunks
        self._idle = idle_seconds
        self._ends_at = ends_at
        self._loop = asyncio.get_running_loop()
        self._since: float | None = None
        self._task: asyncio.Task[object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._late = False

    async def __anext__(self) -> bytes:
        now = self._loop.time()
        if self._ends_at is not None and now >= self._ends_at:
            self.close()
            raise _timeout()
        self._since = now
        if self._timer is None:
            self._task = asyncio.current_task()
            self._watch(now)
        try:
            return await anext(self._chunks)
        except asyncio.CancelledError:
            # Cancelled by this timer and by nobody else: then it is a time-out. (As asyncio.timeout decides it.)
            if self._late and self._task is not None and self._task.uncancel() == 0:
                raise _timeout() from None
            raise
        except BaseException:
            self.close()
            raise
        finally:
            self._since = None

    def close(self) -> None:
        """Ends the watch. Harmless when it has ended."""
        if self._timer is not None:
            self._timer.cancel()

    def _watch(self, now: float) -> None:
        """Comes back when the limit could be reached at the earliest."""
        due = (now if self._since is None else self._since) + self._idle
        if self._ends_at is not None:
            due = min(due, self._ends_at)
        self._timer = self._loop.call_at(max(due, now + 0.001), self._look)

    def _look(self) -> None:
        now = self._loop.time()
        over = self._ends_at is not None and now >= self._ends_at
        if self._since is not None and self._task is not None and (over or now >= self._since + self._idle):
            self._late = True
            self._task.cancel()
        elif not over:  # where it is over while the app reads, the next piece asked for finds that out
            self._watch(now)


def _timeout() -> UpstreamTimeout:
    return UpstreamTimeout("The model server did not go on with its answer in time.")
