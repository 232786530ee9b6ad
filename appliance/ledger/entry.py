"""What is recorded of one exchange. Facts about who, which model and how much; never a word of what was said.

`Begun` is written when a call is admitted, `Entry` before the last byte of its reply leaves. Both are complete in
themselves, so that an entry needs no other line to be billed, and one that never came can be made up from its
beginning. Times are milliseconds since 1970 (UTC).
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Outcome(StrEnum):
    """How an exchange ended."""

    COMPLETE = "complete"
    UPSTREAM_FAILED = "upstream_failed"
    UPSTREAM_REFUSED = "upstream_refused"
    CLIENT_GONE = "client_gone"
    INTERRUPTED = "interrupted"
    FAULT = "fault"


ERRORS = frozenset({Outcome.UPSTREAM_FAILED, Outcome.UPSTREAM_REFUSED, Outcome.FAULT})


class Begun(msgspec.Struct, frozen=True, tag="begun", tag_field="line"):
    """An admitted call: who, what, and under which licence and config."""

    id: str
    started_at: int
    org: str
    team: str
    key: str
    model: str
    endpoint: str
    licence_serial: int
    config_serial: int
    estimated_prompt_tokens: int


class Entry(msgspec.Struct, frozen=True, tag="entry", tag_field="line"):
    """A finished exchange. Token counts are what the upstream reported, or else the estimates beside them."""

    id: str
    started_at: int
    ended_at: int
    org: str
    team: str
    key: str
    model: str
    endpoint: str
    provider: str
    deployment: str
    outcome: str
    status: int
    attempts: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    estimated_prompt_tokens: int
    estimated_completion_tokens: int
    latency_ms: int
    first_token_ms: int | None
    licence_serial: int
    config_serial: int
    cost: int = 0
    """In millionths of the config's currency, at its prices: for budgets here. It is no part of the ledger, and is
    never reported."""
    source: str = ""
    """The network that the call came from (/24, /48), for watching over keys. It stays in the journal: it is no part of
    the ledger, and is never reported."""


class Carried(msgspec.Struct, frozen=True, tag="carried", tag_field="line"):
    """An exchange still open when its segment was full: its beginning stands again in the next one."""

    id: str


Line = Begun | Entry | Carried


def interrupted(begun: Begun, noticed_at: int) -> Entry:
    """The entry of an exchange whose process died: it ends when that is noticed, with its prompt as estimated."""
    return Entry(
        id=begun.id,
        started_at=begun.started_at,
        ended_at=max(noticed_at, begun.started_at),
        org=begun.org,
        team=begun.team,
        key=begun.key,
        model=begun.model,
        endpoint=begun.endpoint,
        provider="none",
        deployment="none",
        outcome=Outcome.INTERRUPTED,
        status=0,
        attempts=0,
        prompt_tokens=0,
        completion_tokens=0,
        cached_tokens=0,
        estimated_prompt_tokens=begun.estimated_prompt_tokens,
        estimated_completion_tokens=0,
        latency_ms=0,
        first_token_ms=None,
        licence_serial=begun.licence_serial,
        config_serial=begun.config_serial,
    )
