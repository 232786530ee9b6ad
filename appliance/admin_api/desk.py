"""What a handler works with: the state, opened as whoever calls; the time of the call; and the asking for agreement."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from appliance.admin_api import confirmation
from appliance.admin_api.caller import Caller, Peer
from appliance.admin_api.confirmation import Agreed
from appliance.admin_api.errors import ConfirmationNeeded, ConfirmationRefused
from appliance.admin_api.used_once import use
from appliance.config.secrets import SecretLookup
from appliance.settings import Settings
from appliance.state.site import Site
from licensing.document import format_time

_CONFIRMATION = "confirmation"


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it came: `target` is path and query as sent; `confirm` is what it agrees with, if anything."""

    method: str
    target: str
    body: bytes
    body_digest: str
    confirm: str | None


class Desk:
    """Made for one call and closed after it. `now` is in whole seconds, as at the command line.

    No dataclass: the framework would look into its members and try to read each of them from the call.
    """

    def __init__(
        self,
        site: Site,
        caller: Caller,
        peer: Peer,
        call: Call,
        settings: Settings,
        host_secrets: SecretLookup,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.site = site
        self.caller = caller
        self.peer = peer
        self.call = call
        self.settings = settings
        self.host_secrets = host_secrets
        self.clock = clock

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(int(self.clock()), UTC)

    def next_second(self) -> datetime:
        """Waits for the second to be over, and gives the one that begins."""
        time.sleep(1.0 - self.clock() % 1.0)
        return self.now

    def agree(self, would: str) -> None:
        """Goes on where the call agrees to exactly this; it can agree once.

        `would` is all that would happen, in words: where the state has changed so that they differ, the agreement is
        void. Raises ConfirmationNeeded, ConfirmationRefused.
        """
        principal = f"{self.caller.principal.name}\n{self.caller.credential}"
        what = Agreed(principal, self.call.method, self.call.target, self.call.body_digest, would)
        key, now = self.site.key.derive(b"admin api confirmation"), self.clock()
        if self.call.confirm is None:
            token, ends = confirmation.make(key, what, now, secrets.token_bytes(confirmation.NONCE_BYTES))
            raise ConfirmationNeeded(would, token, format_time(datetime.fromtimestamp(ends, UTC)))
        name, ends = confirmation.check(key, what, self.call.confirm, now)
        if not use(self.site, _CONFIRMATION, self.caller.credential, name, ends, now):
            raise ConfirmationRefused("The confirmation has been used.")
