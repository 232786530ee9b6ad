"""The minute's judgement is made beside the calls, which go on by the one before until it is there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.gateway import worker as worker_module
from appliance.gateway.health import Health
from appliance.gateway.snapshot import JUDGE_SECONDS, Snapshot, take_snapshot
from appliance.gateway.worker import Worker
from appliance.ledger.journal import Journal
from appliance.state.site import Site
from tests.appliance.papers import NOW
from tests.appliance.sites import any_secret, licensed_site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = licensed_site(tmp_path / "state")
    yield made
    made.close()


def worker_at(site: Site) -> Worker:
    """A worker with the parts that judging needs, last judged more than a minute ago."""
    made = Worker.__new__(Worker)
    made._site, made._secrets, made._clock = site, any_secret, lambda: NOW
    made._refreshing = asyncio.Lock()
    made._journal = Journal(site.journal_folder, "judging")
    made._no_record = None
    made._taken = made._snapshot = take_snapshot(site, any_secret, NOW)
    made.health = Health("judging")
    made._judged = made.monotonic() - JUDGE_SECONDS - 1
    return made


def test_a_call_does_not_wait_for_the_minutes_judgement(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is held up here for as long as the call takes, and the call has its answer all the same."""
    begun, may_end = threading.Event(), threading.Event()

    def slow(*facts: Any) -> Snapshot:
        begun.set()
        assert may_end.wait(60)
        return take_snapshot(*facts)

    async def story() -> tuple[Snapshot, Snapshot, Snapshot]:
        worker = worker_at(site)
        before = worker._snapshot
        monkeypatch.setattr(worker_module, "take_snapshot", slow)
        judging = asyncio.create_task(worker._refresh())
        assert await asyncio.to_thread(begun.wait, 60)
        during = await worker.snapshot()
        assert not judging.done()
        may_end.set()
        await judging
        return before, during, await worker.snapshot()

    before, during, after = asyncio.run(story())
    assert during is before
    assert after is not before


def test_after_an_import_a_call_waits_for_the_new_judgement(site: Site) -> None:
    """The other half: what has changed is judged before the next call is answered."""

    async def story() -> tuple[Snapshot, Snapshot]:
        worker = worker_at(site)
        before = worker._snapshot
        site.board.raise_generation()
        return before, await worker.snapshot()

    before, after = asyncio.run(story())
    assert after is not before
    assert after.generation == site.board.generation
