"""One exchange, from the app's request to the last byte of its reply.

`Exchange` is the object that walks the line and carries what each step found out. Its beginning and its end are each
written to the journal exactly once: the end before the last byte of the reply leaves, whatever happened on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from appliance.access.grant import Grant
from appliance.access.keys import ApiKey
from appliance.access.quota import Taken
from appliance.gateway.ask import cost_of
from appliance.gateway.lease import Lease
from appliance.gateway.snapshot import Route, Snapshot
from appliance.gateway.usage_report import Usage
from appliance.ledger.entry import Begun, Entry, Outcome
from appliance.ledger.journal import Journal
from appliance.providers.call import Call

BYTES_PER_TOKEN = 4
"""The estimate where an upstream reports nothing: about four bytes of text a token. Kept apart from reported counts."""


@dataclass(slots=True, repr=False)
class Exchange:
    """`started` and friends are monotonic seconds; `started_at` is milliseconds since 1970.

    `grant` is what the key is allowed, and `taken` what the call has taken out of its caps, until it is settled.
    `headers` are the request's, for rules that route by them. `lease` is the deployment's place that a stream still
    holds; `told` are the headers that tell how the call was routed, where the policy lets them.
    """

    id: str
    call: Call
    grant: Grant
    snapshot: Snapshot
    started_at: int
    started: float
    estimated_prompt_tokens: int
    route: Route | None = None
    attempts: int = 0
    first_token: float | None = None
    usage: Usage | None = None
    content_frames: int = 0
    reply_status: int = 0
    gone: bool = False
    """The app has left, and the deployment is let go on to its true count."""
    ended: bool = False
    outcome: Outcome | None = None
    headers: Mapping[bytes, bytes] = field(default_factory=dict)
    lease: Lease | None = None
    told: tuple[tuple[bytes, bytes], ...] = ()
    taken: Taken | None = None
    source: str = ""
    """The network that the call came from."""

    @property
    def key(self) -> ApiKey:
        return self.grant.key

    def begin(self, journal: Journal) -> None:
        key, snapshot = self.grant.key, self.snapshot
        journal.begin(
            Begun(
                id=self.id,
                started_at=self.started_at,
                org=key.org,
                team=key.team,
                key=key.id,
                model=self.call.model,
                endpoint=self.call.endpoint,
                licence_serial=snapshot.licence.serial if snapshot.licence else 0,
                config_serial=snapshot.config.serial if snapshot.config else 0,
                estimated_prompt_tokens=self.estimated_prompt_tokens,
            )
        )

    def end(self, journal: Journal, outcome: Outcome, now: float) -> tuple[int, int]:
        """Writes the entry, the first time it is called; returns the tokens and the cost to count against the caps."""
        if self.ended:
            return 0, 0
        self.ended = True
        self.outcome = outcome
        key, snapshot, route = self.grant.key, self.snapshot, self.route
        latency_ms = round((now - self.started) * 1000)
        counts = self._counts(outcome)
        prompt, completion = counts[0] + counts[3], counts[1] + counts[4]
        cost = cost_of(route.price, prompt, completion) if route else 0
        journal.end(
            Entry(
                id=self.id,
                started_at=self.started_at,
                ended_at=self.started_at + latency_ms,
                org=key.org,
                team=key.team,
                key=key.id,
                model=self.call.model,
                endpoint=self.call.endpoint,
                provider=route.deployment.provider if route else "none",
                deployment=route.deployment.id if route else "none",
                outcome=outcome,
                status=self.reply_status,
                attempts=self.attempts,
                prompt_tokens=counts[0],
                completion_tokens=counts[1],
                cached_tokens=counts[2],
                estimated_prompt_tokens=counts[3],
                estimated_completion_tokens=counts[4],
                latency_ms=latency_ms,
                first_token_ms=round((self.first_token - self.started) * 1000) if self.first_token else None,
                licence_serial=snapshot.licence.serial if snapshot.licence else 0,
                config_serial=snapshot.config.serial if snapshot.config else 0,
                cost=cost,
                source=self.source,
            )
        )
        return prompt + completion, cost

    def _counts(self, outcome: Outcome) -> tuple[int, int, int, int, int]:
        """Reported prompt, completion, cached; estimated prompt, completion. An explicit zero is a report, not a
        gap."""
        if self.usage is not None and self.usage.partial:
            return self.usage.prompt_tokens, 0, self.usage.cached_tokens, 0, self.content_frames
        if self.usage is not None:
            return self.usage.prompt_tokens, self.usage.completion_tokens, self.usage.cached_tokens, 0, 0
        if outcome is Outcome.COMPLETE or self.content_frames or outcome is Outcome.CLIENT_GONE:
            return 0, 0, 0, self.estimated_prompt_tokens, self.content_frames
        return 0, 0, 0, 0, 0
