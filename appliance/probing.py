"""Probes: a GET of the path that the config names, of each deployment whose entry asks for it, from `ao serve` itself.

One prober for the site, however many workers. It sends no key and no words, follows no redirect and no proxy, and reads
no more than the head of the answer: anything below 500 says that the server lives, also a 401. What it finds goes to
the workers through the folder `health` of the state. It calls nothing that the config does not ask it to.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.config.model import Deployment
from appliance.config.policy import Probe
from appliance.state.health import HealthFolder, Probed
from appliance.tls.host_authorities import trust_of_this_host

if TYPE_CHECKING:
    import httpx

log = logging.getLogger("ao.serve")

AT_ONCE = 16
_TICK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Target:
    deployment: str
    url: str
    probe: Probe


def targets_in(deployments: Iterable[Deployment]) -> tuple[Target, ...]:
    """What a config asks to be probed."""
    return tuple(
        Target(each.id, f"{each.api_base}{each.probe.path}", each.probe)
        for each in deployments
        if each.probe is not None and each.api_base is not None
    )


class Prober:
    """Works in a thread of its own, which starts with the first target: a slow server keeps nobody's books waiting."""

    def __init__(self, folder: HealthFolder) -> None:
        self._folder = folder
        self._targets: tuple[Target, ...] = ()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, targets: tuple[Target, ...]) -> None:
        """From now on these, and no others."""
        self._targets = targets
        if targets and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="prober", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _run(self) -> None:
        try:
            asyncio.run(self._probe_until_stopped())
        except Exception:
            # The gateway goes on without probes: bad findings end by themselves, and calls tell as much.
            log.exception("probing has ended")

    async def _probe_until_stopped(self) -> None:
        import httpx

        due: dict[Target, float] = {}
        found: dict[str, Probed] = {}
        async with httpx.AsyncClient(verify=trust_of_this_host(), trust_env=False, follow_redirects=False) as client:
            while not self._stopped.is_set():
                targets = self._targets
                now = time.monotonic()
                due = {each: due.get(each, now) for each in targets}
                asked = [each for each in targets if due[each] <= now][:AT_ONCE]
                fresh = dict(zip(asked, await asyncio.gather(*(_probed(client, each) for each in asked)), strict=True))
                due |= {each: now + each.probe.every_seconds for each in asked}
                if fresh or found.keys() - {each.deployment for each in targets}:
                    found = {each.deployment: found[each.deployment] for each in targets if each.deployment in found}
                    _log_changes(found, fresh)
                    found |= {each.deployment: result for each, result in fresh.items()}
                    self._folder.write_probes(found)
                await asyncio.sleep(_TICK_SECONDS)


async def _probed(client: httpx.AsyncClient, target: Target) -> Probed:
    """Never raises what a server or a network can cause."""
    import httpx

    began = time.monotonic()
    why = ""
    try:
        async with asyncio.timeout(target.probe.timeout_seconds), client.stream("GET", target.url) as response:
            if response.status_code >= 500:
                why = f"status {response.status_code}"
    except (TimeoutError, httpx.TimeoutException):
        why = "no answer in time"
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as exc:
        why = "cannot be reached" if isinstance(exc, httpx.ConnectError) else "broke off"
    now = time.monotonic()
    # Three probes that never came, and nothing is known any more.
    until = now + 3 * target.probe.every_seconds + target.probe.timeout_seconds
    return Probed(up=not why, until=until, why=why, took_ms=round((now - began) * 1000))


def _log_changes(before: dict[str, Probed], fresh: dict[Target, Probed]) -> None:
    for target, now in fresh.items():
        known = before.get(target.deployment)
        if now.up != (known is None or known.up):
            log.warning("%s: %s", target.deployment, "up again" if now.up else f"down, say the probes: {now.why}")
