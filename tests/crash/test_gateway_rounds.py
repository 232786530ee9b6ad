"""The whole gateway under streaming load, killed at random moments, round after round on one state folder.

GATEWAY_ROUNDS rounds (`make crash ROUNDS=…` sets them): a worker, the server's main process, the supervisor, or all of
them at once. Every call has an alias of its own, so that its ledger row is known also where the client saw nothing.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.real.conftest import vendor as vendor  # noqa: PLC0414 - the fixture of the tests with real parts
from tests.real.paced_upstream import CHUNKS, PROMPT_TOKENS, PacedUpstream, paced_upstream
from tests.real.processes import alive, descendants_of, wait_until
from tests.real.site_and_vendor import Gateway, Site, Vendor, config_of, upstream_at

pytestmark = pytest.mark.real

ROUNDS = int(os.environ.get("GATEWAY_ROUNDS", "20"))
SEED = int(os.environ.get("CRASH_SEED", "7"))
CALLS = 60
AT_ONCE = 24
WORKERS = 2
A_SITE = 30
"""Rounds on one site: a config has room for so many aliases."""


@dataclass(slots=True)
class Told:
    """What the client knows of one call."""

    alias: str
    request_id: str | None = None
    complete: bool = False


@dataclass(slots=True)
class Round:
    """A round's calls, two thirds of them streams, AT_ONCE at a time."""

    number: int
    told: list[Told] = field(default_factory=list)

    async def run(self, port: int, key: str, kill: Any, after: float) -> None:
        self.told = [Told(alias_of(self.number, each)) for each in range(CALLS)]
        gate = asyncio.Semaphore(AT_ONCE)
        limits = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            headers={"authorization": f"Bearer {key}"},
            limits=limits,
            timeout=20,
            trust_env=False,
        ) as client:
            sending = [asyncio.create_task(self._send(client, gate, told, n)) for n, told in enumerate(self.told)]
            await asyncio.sleep(after)
            kill()
            await asyncio.gather(*sending)

    async def _send(self, client: httpx.AsyncClient, gate: asyncio.Semaphore, told: Told, number: int) -> None:
        streamed = number % 3 > 0
        body = {"model": told.alias, "user": told.alias, "messages": [], "stream": streamed}
        async with gate:
            try:
                async with client.stream("POST", "/v1/chat/completions", json=body) as reply:
                    told.request_id = reply.headers["x-request-id"]
                    text = (await reply.aread()).decode()
                told.complete = reply.status_code == 200 and (not streamed or text.endswith("data: [DONE]\n\n"))
            except httpx.TransportError:
                return


def alias_of(number: int, call: int) -> str:
    return f"r{number:04}-{call:02}"


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PacedUpstream]:
    with paced_upstream(tmp_path_factory.mktemp("upstream"), seconds=0.3) as upstream:
        yield upstream


def kill_something(chance: random.Random, gateway: Gateway) -> None:
    """Whom it hits is chance; half the time it is one worker."""
    main = [pid for pid in descendants_of(gateway.process.pid) if pid not in gateway.workers()]
    which = chance.choice(["worker", "worker", "worker", "main", "supervisor", "all"])
    victims = {
        "worker": gateway.workers()[:1],
        "main": main[:1],
        "supervisor": [gateway.process.pid],
        "all": gateway.process.tree(),
    }[which]
    for pid in victims:
        os.kill(pid, 9)


def rounds_on(site: Site, numbers: range, chance: random.Random) -> list[Round]:
    done: list[Round] = []
    key = site.key()
    with ExitStack() as stack:
        gateway = stack.enter_context(site.serving(workers=WORKERS))
        for number in numbers:
            if gateway.process.popen.poll() is not None:
                stack.pop_all().close()
                gateway = stack.enter_context(site.serving(workers=WORKERS, port=gateway.port))
            this = Round(number)
            tree = gateway.process.tree()
            kill = partial(kill_something, chance, gateway)
            asyncio.run(this.run(gateway.port, key, kill, chance.uniform(0.05, 1)))
            done.append(this)
            wait_until(partial(settled, gateway, tree), "the gateway is whole again, or gone", seconds=40)
    return done


def settled(gateway: Gateway, tree: list[int]) -> bool:
    """A supervisor that lost its gateway ends by itself; one that lost a worker gets another."""
    if gateway.process.popen.poll() is not None:
        return not any(alive(pid) for pid in tree)
    return len(gateway.workers()) == WORKERS


def check(ledger: dict[str, dict[str, Any]], rounds: list[Round], upstream: PacedUpstream) -> None:
    """The ledger against what clients and upstream saw: zero lost, zero doubled, zero invented."""
    by_alias: dict[str, list[dict[str, Any]]] = {}
    for row in ledger.values():
        by_alias.setdefault(row["model"], []).append(row)
    seen, finished = upstream.seen(), upstream.finished()
    for each in [told for this in rounds for told in this.told]:
        rows = by_alias.pop(each.alias, [])
        assert len(rows) <= 1, f"{each} is in the ledger {len(rows)} times"
        assert rows or (each.complete, each.request_id, each.alias in seen) == (False, None, False), f"lost: {each}"
        for row in rows:
            assert each.request_id in (None, row["id"])
            assert row["outcome"] in ("complete", "interrupted"), row
            if each.complete:
                assert (row["outcome"], row["prompt_tokens"], row["completion_tokens"]) == (
                    "complete",
                    PROMPT_TOKENS,
                    CHUNKS,
                )
            elif row["outcome"] == "complete":
                assert each.alias in finished, f"told as complete, and never was: {row}"
    assert by_alias == {}, "rows that belong to no call"


def test_no_round_loses_or_doubles_a_call(
    vendor: Vendor, upstream: PacedUpstream, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    for first in range(0, ROUNDS, A_SITE):
        numbers = range(first, min(first + A_SITE, ROUNDS))
        aliases = [alias_of(number, call) for number in numbers for call in range(CALLS)]
        config = config_of(*((alias, upstream_at(upstream.base_url)) for alias in aliases))
        site = Site.licensed(tmp_path_factory.mktemp("site"), vendor, config, name=f"crash-{first}")
        rounds = rounds_on(site, numbers, chance)
        ledger = site.ledger()
        check(ledger, rounds, upstream)
        outcomes = [row["outcome"] for row in ledger.values()]
        assert outcomes.count("complete") > 5 * len(rounds)
        assert outcomes.count("interrupted") > len(rounds), "nothing was under way when it was killed"
        out = tmp_path / f"{first}"
        out.mkdir()
        site.ao("usage", "seal", "--now")
        files = [Path(each["file"]) for each in site.ao("usage", "export", "--out", str(out))["files"]]
        told = vendor.reconcile(files, out)
        assert {each["verdict"] for each in told["files"]} == {"accepted"}
        assert sum(each["requests"] for each in told["totals"]) == len(ledger)
