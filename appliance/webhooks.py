"""Sends what waits in the queue to the webhooks that the config names, from a thread of `ao serve`.

Promise: only addresses of the config in force are contacted; with none there is no thread and no traffic. Redirects and
proxies are not followed, TLS is verified, nothing of an answer but its head is read, and all of it within the address's
timeout. An event leaves the queue after the address has answered 2xx and not before: a sender that dies sends it again
(at least once). One event at a time to an address, in their order; one that the address will not have (4xx) is tried
again later and does not hold up the others, while an address that is down holds up all.

Each call is signed: `ao-signature: t=SECONDS,v1=HEX`, HMAC-SHA256 over `SECONDS.ID.BODY` with the address's secret.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import random
import ssl
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.state import outgoing
from appliance.state.database import Connection, open_database
from appliance.state.outgoing import Delivery
from appliance.tls.host_authorities import trust_of_this_host
from licensing.version import __version__

if TYPE_CHECKING:
    import httpx

log = logging.getLogger("ao.serve")

FIRST_WAIT_SECONDS = 2.0
_TICK_SECONDS = 0.25
_TIDY_SECONDS = 60.0
_CHANCE = random.SystemRandom()
_NOT_FOR_EVER = frozenset({401, 403, 404, 408, 425, 429})
"""Answers below 500 that say something of the address, and not of the event."""


@dataclass(frozen=True, slots=True)
class Address:
    """A webhook with its secret at hand."""

    name: str
    url: str
    secret: bytes = field(repr=False)
    ca: str | None
    timeout_seconds: float
    give_up_seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an attempt. `whole`: the fault is the address's, so that nothing else need be tried there."""

    taken: bool
    said: str = ""
    whole: bool = False


def signature(secret: bytes, seconds: int, id_: str, body: bytes) -> str:
    """The header by which a receiver knows who sent what, and when."""
    mac = hmac.digest(secret, b"%d.%s." % (seconds, id_.encode()) + body, hashlib.sha256)
    return f"t={seconds},v1={mac.hex()}"


def wait_before(attempt: int, chance: float) -> float:
    """Seconds until the next attempt, after that many that failed: doubled each time, half of it by chance (0 to 1)."""
    whole = min(outgoing.LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** min(attempt - 1, 20))
    return whole * (0.5 + chance / 2)


class Sender:
    """Works in a thread of its own, which starts with the first address."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._addresses: tuple[Address, ...] = ()
        self._give_up: Mapping[str, float] | None = None
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def send_to(self, addresses: Iterable[Address], give_up: Mapping[str, float] | None) -> None:
        """From now on these, and no others. `give_up`: for how many seconds each that is named goes on trying, also one
        that cannot be sent to now; None where nobody knows which are named: then nothing is given up."""
        self._addresses, self._give_up = tuple(addresses), give_up
        if self._addresses and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """What is not sent yet is sent after the next start."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                with closing(open_database(self._database)) as db:
                    asyncio.run(self._send_until_stopped(db))
            except Exception:
                # The queue keeps what it has; whatever is wrong may pass.
                log.exception("webhooks could not be sent; trying again")
                self._stopped.wait(5.0)

    async def _send_until_stopped(self, db: Connection) -> None:
        tasks: dict[Address, asyncio.Task[None]] = {}
        tidied = 0.0
        try:
            while not self._stopped.is_set():
                addresses = self._addresses
                for gone in tasks.keys() - set(addresses):
                    tasks.pop(gone).cancel()
                for each in addresses:
                    if each not in tasks or tasks[each].done():
                        _raise_fault(tasks.get(each))
                        tasks[each] = asyncio.create_task(self._serve(db, each))
                if self._give_up is not None and time.monotonic() - tidied >= _TIDY_SECONDS:
                    tidied = time.monotonic()
                    if given_up := outgoing.give_up_and_forget(db, self._give_up, time.time()):
                        log.warning("webhooks: %d events were given up; see: ao webhooks queue --dead", given_up)
                await asyncio.sleep(_TICK_SECONDS)
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)

    async def _serve(self, db: Connection, address: Address) -> None:
        import httpx

        context = trust_of_this_host() if address.ca is None else ssl.create_default_context(cadata=address.ca)
        async with httpx.AsyncClient(verify=context, trust_env=False, follow_redirects=False) as client:
            while not self._stopped.is_set():
                if not await _send_what_is_due(db, client, address):
                    await asyncio.sleep(_TICK_SECONDS)


def _raise_fault(task: asyncio.Task[None] | None) -> None:
    if task is not None and not task.cancelled() and (fault := task.exception()) is not None:
        raise fault


async def _send_what_is_due(db: Connection, client: httpx.AsyncClient, address: Address) -> bool:
    """One attempt, if one is due. Whether there was one."""
    waiting = outgoing.next_due(db, address.name, time.time())
    if waiting is None:
        return False
    answer = await post(client, address, waiting, time.time())
    if answer.taken:
        outgoing.delivered(db, waiting.seq)
    else:
        _note_failure(db, address, waiting, answer)
    return True


def _note_failure(db: Connection, address: Address, waiting: Delivery, answer: Answer) -> None:
    now = time.time()
    over = now - waiting.made_at >= address.give_up_seconds
    said = f"{outgoing.DOWN if answer.whole else ''}{answer.said}"
    outgoing.failed(
        db, waiting.seq, said, now + wait_before(waiting.attempts + 1, _CHANCE.random()), now if over else None
    )
    if waiting.attempts == 0 or over:
        log.warning("webhook %s: %s %s: %s", address.name, waiting.event, "given up" if over else "not taken", said)


async def post(client: httpx.AsyncClient, address: Address, waiting: Delivery, now: float) -> Answer:
    """One attempt. Never raises what a server or a network can cause; says nothing of what the server answered but its
    status."""
    import httpx

    body = waiting.body.encode()
    headers = {
        "content-type": "application/json",
        "user-agent": f"ao-appliance/{__version__}",
        "ao-event": waiting.event,
        "ao-event-id": waiting.id,
        "ao-signature": signature(address.secret, int(now), waiting.id, body),
    }
    try:
        async with (
            asyncio.timeout(address.timeout_seconds),
            client.stream("POST", address.url, content=body, headers=headers, timeout=None) as response,
        ):
            status = response.status_code
    except (TimeoutError, httpx.TimeoutException):
        return Answer(False, "no answer in time", whole=True)
    except httpx.ConnectError as exc:
        tls = "certificate" in str(exc).lower()
        return Answer(False, "its certificate is not to be believed" if tls else "cannot be reached", whole=True)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError):
        return Answer(False, "broke off", whole=True)
    if 200 <= status < 300:
        return Answer(True)
    if 300 <= status < 400:
        return Answer(False, f"status {status}: redirects are not followed", whole=True)
    return Answer(False, f"status {status}", whole=status >= 500 or status in _NOT_FOR_EVER)
