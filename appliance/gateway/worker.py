"""What one worker process holds: its snapshot of the state, its journal, its client, its view of the shared caps.

A worker holds no truth. It looks at the board on every request, takes a fresh snapshot when something has changed or a
minute has passed, and makes the journal durable every SYNC_SECONDS. Where it cannot read the state it answers no calls.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from appliance.access.account import Moment
from appliance.access.quota import Quota, Taken
from appliance.config.secrets import SecretLookup
from appliance.errors import ApplianceError, StateUnwritable
from appliance.gateway.errors import Unavailable
from appliance.gateway.exchange import Exchange
from appliance.gateway.health import Health
from appliance.gateway.request import BODIES_LIMIT_BYTES, BodyWatch
from appliance.gateway.slots import Slots
from appliance.gateway.snapshot import JUDGE_SECONDS, Snapshot, take_snapshot
from appliance.gateway.upstream import UpstreamClient
from appliance.ledger.entry import Outcome
from appliance.ledger.journal import SYNC_SECONDS, Journal
from appliance.observe.worker_counts import WorkerCounts
from appliance.state.health import HealthFolder
from appliance.state.refused import RefusedCalls
from appliance.state.site import Site

log = logging.getLogger("ao.gateway")


class Worker:
    """Built by boot.py. `clock` gives wall time in UTC; `monotonic` gives seconds that no clock change touches."""

    def __init__(
        self,
        *,
        site: Site,
        secrets: SecretLookup,
        journal: Journal,
        quota: Quota,
        client: UpstreamClient,
        slots: Slots,
        counts: WorkerCounts,
        tag: str,
        clock: Callable[[], datetime],
        stream_limit: int = 1000,
        body_limit: int = BODIES_LIMIT_BYTES,
    ) -> None:
        self._site = site
        self._secrets = secrets
        self._journal = journal
        self._clock = clock
        self._tag = tag
        self._calls = 0
        self._refreshing = asyncio.Lock()
        self._judged = 0.0
        self._no_record: str | None = None
        self._taken = take_snapshot(site, secrets, clock())
        self._snapshot = self._taken
        self._judged = self.monotonic()
        self.quota = quota
        self._looked = self.monotonic()
        self.counts = counts
        self.bodies = BodyWatch(limit=body_limit)
        self.streams = 0
        self.stream_limit = stream_limit
        self.client = client
        self.slots = slots
        self._reports = HealthFolder(site.folder)
        self.refused = RefusedCalls(site.folder, tag)
        self.health = Health(tag)
        self.health.follow(self._snapshot)

    monotonic = staticmethod(time.monotonic)

    @property
    def journal(self) -> Journal:
        return self._journal

    @property
    def state_folder(self) -> Path:
        return self._site.folder

    def now(self) -> datetime:
        return self._clock()

    def moment(self) -> Moment:
        """Seconds since boot, shared by all processes of the host, running also while it is suspended; and the time."""
        return Moment(time.clock_gettime(time.CLOCK_BOOTTIME), time.time())

    def next_id(self) -> str:
        """A request id: time, worker, number. Unique in this site; sorts by time."""
        self._calls += 1
        return f"req_{time.time_ns() // 1_000_000:012x}{self._tag}{self._calls:06x}"

    @property
    def last_snapshot(self) -> Snapshot:
        """The one that a call just now was decided by, or one as fresh."""
        return self._snapshot

    async def snapshot(self) -> Snapshot:
        """The state to decide by: fresh whenever anything has changed."""
        if self._site.board.generation != self._taken.generation:
            await self._refresh()
        return self._snapshot

    def let_go(self, exchange: Exchange) -> None:
        """Gives back the place of a stream that is over, and remembers what became of it. What of a call could not be
        recorded is counted as what it had reserved."""
        if exchange.taken is not None:
            self._count(exchange, exchange.taken.tokens, exchange.taken.cost)
        lease, exchange.lease = exchange.lease, None
        if lease is not None:
            lease.over(failed=exchange.outcome is Outcome.UPSTREAM_FAILED, now=self.monotonic())

    def settle(self, exchange: Exchange, outcome: Outcome) -> None:
        """Writes the exchange's entry and counts its tokens against the caps."""
        if not exchange.ended:
            self._count(exchange, *exchange.end(self._journal, outcome, self.monotonic()))

    def not_begun(self, taken: Taken | None) -> None:
        """Of a call that was let in and could not be recorded: it used nothing."""
        if taken is not None:
            self.quota.settle(taken, 0, 0, self.moment())

    def _count(self, exchange: Exchange, tokens: int, cost: int) -> None:
        taken, exchange.taken = exchange.taken, None
        if taken is None:
            return
        try:
            self.quota.settle(taken, tokens, cost, self.moment())
        except StateUnwritable as refusal:
            # The call is in the journal; budgets know of it again when it is in the ledger.
            log.warning("%s: %s", exchange.id, refusal)

    async def keep(self) -> None:
        """Runs for as long as the worker: journal to disk, a look at its room, a judgement a minute. Ends when it is
        cancelled."""
        while True:
            await asyncio.sleep(SYNC_SECONDS)
            self.bodies.look(asyncio.get_running_loop().time())
            try:
                self._look_after_caps()
                await self._sync()
                self._look_for_room()
                self._tell()
                if self.monotonic() - self._judged >= JUDGE_SECONDS:
                    await self._refresh()
            except (OSError, ApplianceError):
                log.exception("the journal could not be made durable")
                self._look_for_room()

    def _look_after_caps(self) -> None:
        if self.monotonic() - self._looked >= 1.0:
            self._looked = self.monotonic()
            if ended := self.quota.look(self.moment()):
                log.warning("%d calls of a worker that ended are counted as what they had reserved", ended)

    async def _sync(self) -> None:
        sync = self._journal.begin_sync()
        if sync is not None:
            self._journal.finish_sync(sync, await asyncio.to_thread(sync.flush))

    def _tell(self) -> None:
        now = self.monotonic()
        self.counts.show(
            exchanges_open=self._journal.open_exchanges, resting=self.health.resting(now), waiting=self.slots.waiting()
        )
        self.health.share(self._reports, now)
        self.refused.hand_over(self._clock())

    def _look_for_room(self) -> None:
        """A call that could not be recorded is not let in, and takes nothing out of the caps."""
        refusal = self._journal.refusal()
        code = refusal.code if refusal else None
        if code != self._no_record:
            log.warning("%s", f"{refusal} [{code}] {refusal.remedy}" if refusal else "calls can be recorded again")
            self._no_record = code
        self._snapshot = self._taken if refusal is None else replace(self._taken, refusal=refusal)

    async def _refresh(self) -> None:
        async with self._refreshing:
            generation = self._site.board.generation
            due = self.monotonic() - self._judged >= JUDGE_SECONDS
            if generation == self._taken.generation and not due:
                return
            try:
                self._taken = await asyncio.to_thread(take_snapshot, self._site, self._secrets, self._clock())
            except Exception:
                # Whatever is wrong with the state, calls must not be answered by what was true before.
                log.exception("the state cannot be read")
                refusal = Unavailable("The state of this site cannot be read.", remedy="Ask the operator: ao status.")
                self._taken = replace(self._taken, generation=generation, refusal=refusal)
            self._look_for_room()
            self._judged = self.monotonic()
            self.health.follow(self._snapshot)
