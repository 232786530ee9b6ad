"""Access tokens that stand in for a long-lived credential: fetched once, kept while they last, renewed before they end.

One per worker. The first call waits for its token; while a token lasts no call waits again: when it has less than
RENEW_SECONDS to live, one renewal runs beside the calls, and where that fails the old one is used to its end. Nothing
is fetched for a deployment that nobody calls.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable

from appliance.providers.call import AccessToken

log = logging.getLogger("ao.gateway")

RENEW_SECONDS = 300.0
_MARGIN_SECONDS = 10.0

Fetch = Callable[[], Awaitable[AccessToken]]


class Tokens:
    """Holds tokens in memory only, under the digest of the credential that they were given for."""

    def __init__(self) -> None:
        self._held: dict[bytes, AccessToken] = {}
        self._under_way: dict[bytes, asyncio.Task[AccessToken]] = {}

    async def token(self, credential: str, now: float, fetch: Fetch) -> str:
        """A token that is good at `now` (seconds since 1970). Raises what `fetch` raises, where there is none."""
        name = hashlib.sha256(credential.encode()).digest()
        held = self._held.get(name)
        if held is not None and held.expires_at - now > RENEW_SECONDS:
            return held.value
        task = self._under_way.get(name)
        if task is None:
            task = self._under_way[name] = asyncio.create_task(self._renew(name, fetch))
            task.add_done_callback(_told)
        if held is not None and held.expires_at - now > _MARGIN_SECONDS:
            return held.value
        # Shielded: the renewal belongs to every call that waits for it, and one that leaves must not end it.
        return (await asyncio.shield(task)).value

    async def _renew(self, name: bytes, fetch: Fetch) -> AccessToken:
        try:
            token = self._held[name] = await fetch()
        finally:
            del self._under_way[name]
        return token


def _told(task: asyncio.Task[AccessToken]) -> None:
    """A renewal that nobody waited for has failed: said in the log, and tried again with the next call."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("an access token could not be fetched (%s)", type(error).__name__)
