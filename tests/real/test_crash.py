"""Whatever is killed and whenever: each request is in the ledger exactly once, as what it was.

Every request has a model alias of its own, all of them the same paced upstream; so the ledger's row of a request is
found even where the client never saw the head of its reply.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.real.paced_upstream import CHUNKS, PROMPT_TOKENS, PacedUpstream, paced_upstream
from tests.real.processes import alive, http_get, wait_until
from tests.real.site_and_vendor import Site, Vendor, config_of, upstream_at

pytestmark = [pytest.mark.real, pytest.mark.alone]

REQUESTS = 200
AT_ONCE = 64
WORKERS = 3
SECONDS = 0.5
ROUNDS = ("early", "middle", "late", "worker", "supervisor", "term")


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PacedUpstream]:
    with paced_upstream(tmp_path_factory.mktemp("upstream"), seconds=SECONDS) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, vendor: Vendor, upstream: PacedUpstream) -> Site:
    """One site for all rounds, so that whatever one round leaves behind meets the next."""
    aliases = [alias_of(part, number) for part in ROUNDS for number in range(REQUESTS)]
    config = config_of(*((alias, upstream_at(upstream.base_url)) for alias in aliases))
    return Site.licensed(tmp_path_factory.mktemp("site"), vendor, config, name="crash-site")


@pytest.fixture(scope="module")
def key(site: Site) -> str:
    return site.key()


def alias_of(part: str, number: int) -> str:
    return f"{part}-{number:03}"


@dataclass(slots=True)
class Told:
    """What the client knows of one request. `request_id` is known once the head of the reply has come."""

    alias: str
    sent: bool = False
    request_id: str | None = None
    complete: bool = False


@dataclass(slots=True)
class Traffic:
    """A round's requests, half of them streams, AT_ONCE at a time, each on a connection of its own."""

    part: str
    port: int
    key: str
    told: list[Told] = field(default_factory=list)

    @property
    def completed(self) -> int:
        return sum(each.complete for each in self.told)

    async def run(self, deed: Callable[[], None], *, after: int) -> None:
        """Sends everything; does the deed once so many replies are complete."""
        self.told = [Told(alias_of(self.part, number)) for number in range(REQUESTS)]
        limits = httpx.Limits(max_keepalive_connections=0, max_connections=AT_ONCE)
        gate = asyncio.Semaphore(AT_ONCE)
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"authorization": f"Bearer {self.key}"},
            limits=limits,
            timeout=20,
            trust_env=False,
        ) as client:
            sending = [asyncio.create_task(self._send(client, gate, told, n)) for n, told in enumerate(self.told)]
            while self.completed < after:
                await asyncio.sleep(0.002)
            deed()
            await asyncio.gather(*sending)

    async def _send(self, client: httpx.AsyncClient, gate: asyncio.Semaphore, told: Told, number: int) -> None:
        body: dict[str, Any] = {"model": told.alias, "user": told.alias, "messages": []}
        async with gate:
            try:
                if number % 2:
                    await self._plain(client, body, told)
                else:
                    await self._stream(client, body, told)
            except httpx.TransportError:
                return

    async def _plain(self, client: httpx.AsyncClient, body: dict[str, Any], told: Told) -> None:
        told.sent = True
        async with client.stream("POST", "/v1/chat/completions", json=body) as reply:
            told.request_id = reply.headers["x-request-id"]
            await reply.aread()
            told.complete = reply.json()["usage"]["completion_tokens"] == CHUNKS

    async def _stream(self, client: httpx.AsyncClient, body: dict[str, Any], told: Told) -> None:
        told.sent = True
        async with client.stream("POST", "/v1/chat/completions", json={**body, "stream": True}) as reply:
            told.request_id = reply.headers["x-request-id"]
            text = (await reply.aread()).decode()
            told.complete = text.endswith("data: [DONE]\n\n")


def check_ledger(site: Site, upstream: PacedUpstream, told: list[Told], in_flight: int) -> None:
    """Holds the ledger against what the client saw, request for request."""
    ledger = site.ledger()
    part = told[0].alias.rpartition("-")[0]
    by_alias: dict[str, list[dict[str, Any]]] = {}
    for row in ledger.values():
        by_alias.setdefault(row["model"], []).append(row)
    seen, finished = upstream.seen(), upstream.finished()
    last_byte_under_way = 0
    for each in told:
        rows = by_alias.get(each.alias, [])
        assert len(rows) <= 1, f"{each} is in the ledger {len(rows)} times"
        if not rows:
            # The gateway never took it up: nothing of it went to the upstream, and nothing came back.
            assert (each.complete, each.request_id, each.alias in seen) == (False, None, False), each
            continue
        [row] = rows
        assert each.sent, row
        if each.request_id is not None:
            assert row["id"] == each.request_id
        if each.complete:
            assert row["outcome"] == "complete", (each, row)
            assert (row["prompt_tokens"], row["completion_tokens"]) == (PROMPT_TOKENS, CHUNKS)
        elif row["outcome"] != "interrupted":
            # An entry is written before the last byte leaves. Cut off in between, the client misses a byte or more of
            # a reply that is rightly recorded as complete: the upstream had handed all of it over.
            assert (row["outcome"], each.alias in finished) == ("complete", True), (each, row)
            last_byte_under_way += 1
        else:
            assert (row["prompt_tokens"], row["completion_tokens"], row["status"]) == (0, 0, 0)
    assert last_byte_under_way <= in_flight
    sent = {each.alias for each in told if each.sent}
    assert {alias for alias in by_alias if alias.startswith(f"{part}-")} <= sent


def check_nothing_else(site: Site) -> None:
    """No row that belongs to no request, and no damage noted."""
    known = {alias_of(part, number) for part in ROUNDS for number in range(REQUESTS)}
    assert {row["model"] for row in site.ledger().values()} <= known
    tables = site.tables()
    assert tables["anomalies"] == []
    assert all(finished for _, _, finished in tables["segments"])


def kill_all(pids: list[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(("part", "after"), [("early", 3), ("middle", 70), ("late", 140)])
def test_kill_9_of_everything_loses_nothing_and_doubles_nothing(
    site: Site, upstream: PacedUpstream, key: str, part: str, after: int
) -> None:
    in_flight: list[int] = []
    with site.serving(workers=WORKERS) as gateway:
        traffic = Traffic(part, gateway.port, key)
        pids = gateway.process.tree()
        assert len(pids) >= WORKERS + 2

        def kill() -> None:
            in_flight.append(len(upstream.seen()) - len(upstream.finished()))
            kill_all(pids)

        already = len(upstream.seen()) - len(upstream.finished())
        asyncio.run(traffic.run(kill, after=after))
        wait_until(lambda: not any(alive(pid) for pid in pids), "all processes are dead")
    assert in_flight[0] - already >= AT_ONCE // 8, "too few were in flight for this to show anything"
    with site.serving(workers=WORKERS, port=gateway.port) as again:
        check_ledger(site, upstream, traffic.told, AT_ONCE)
        outcomes = [row["outcome"] for row in site.ledger().values() if row["model"].startswith(part)]
        assert outcomes.count("complete") >= after
        assert outcomes.count("interrupted") >= AT_ONCE // 8
        assert again.stop() == 0
    check_nothing_else(site)


def test_kill_9_of_one_worker_interrupts_its_own_requests_only_and_it_comes_back(
    site: Site, upstream: PacedUpstream, key: str
) -> None:
    with site.serving(workers=WORKERS) as gateway:
        workers = gateway.workers()
        assert len(workers) == WORKERS
        traffic = Traffic("worker", gateway.port, key)
        asyncio.run(traffic.run(lambda: os.kill(workers[0], signal.SIGKILL), after=60))
        wait_until(lambda: len(gateway.workers()) == WORKERS, "the worker has come back")
        check_ledger(site, upstream, traffic.told, AT_ONCE)
        outcomes = [row["outcome"] for row in site.ledger().values() if row["model"].startswith("worker")]
        # Some 64 in flight over three workers; the other two finished theirs, and what came later was answered.
        assert 0 < outcomes.count("interrupted") <= AT_ONCE
        assert traffic.completed >= REQUESTS - 2 * AT_ONCE
        assert http_get(gateway.port, "/readyz")[0] == 200
        assert gateway.stop() == 0
    check_nothing_else(site)


def test_kill_9_of_the_supervisor_takes_the_gateways_processes_along(
    site: Site, upstream: PacedUpstream, key: str
) -> None:
    with site.serving(workers=WORKERS) as gateway:
        others = gateway.process.tree()[1:]
        traffic = Traffic("supervisor", gateway.port, key)
        asyncio.run(traffic.run(lambda: os.kill(gateway.process.pid, signal.SIGKILL), after=60))
        wait_until(lambda: not any(alive(pid) for pid in others), "the gateway's processes have gone", seconds=15)
    with site.serving(workers=WORKERS, port=gateway.port) as again:
        check_ledger(site, upstream, traffic.told, AT_ONCE)
        assert again.stop() == 0
    check_nothing_else(site)


def test_sigterm_lets_streams_finish(site: Site, upstream: PacedUpstream, key: str) -> None:
    stopped: list[float] = []
    with site.serving(workers=WORKERS) as gateway:
        traffic = Traffic("term", gateway.port, key)

        def terminate() -> None:
            gateway.process.popen.send_signal(signal.SIGTERM)
            stopped.append(time.monotonic())

        asyncio.run(traffic.run(terminate, after=20))
        assert gateway.process.popen.wait(timeout=20) == 0
    begun = [each for each in traffic.told if each.request_id is not None]
    assert [each for each in begun if not each.complete] == []
    outcomes = [row["outcome"] for row in site.ledger().values() if row["model"].startswith("term")]
    assert set(outcomes) == {"complete"}
    assert outcomes.count("complete") == traffic.completed >= 20 + AT_ONCE // 2
    check_ledger(site, upstream, traffic.told, 0)
    check_nothing_else(site)


def test_what_was_interrupted_is_told_to_the_vendor(site: Site, vendor: Vendor, tmp_path: Path) -> None:
    """The rounds above end in files that the vendor accepts, interruptions counted apart from errors."""
    ledger = site.ledger()
    time.sleep(1.1)
    site.ao("usage", "seal", "--now")
    files = [Path(each["file"]) for each in site.ao("usage", "export", "--out", str(tmp_path))["files"]]
    done = vendor.reconcile(files, tmp_path)
    assert {each["verdict"] for each in done["files"]} == {"accepted"}
    interrupted = sum(row["outcome"] == "interrupted" for row in ledger.values())
    assert sum(each["interrupted"] for each in done["totals"]) == interrupted > 0
    assert sum(each["requests"] for each in done["totals"]) == len(ledger)
    assert sum(each["errors"] for each in done["totals"]) == 0
