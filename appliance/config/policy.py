"""How calls to an alias are routed, as plain values: what an officer wrote under `routing:`, every default filled in.

A policy is a pipeline: `filter` says which deployments may answer at all, `order` which come before which, `pick` who
of those that are equal goes first, `fall_back` what happens when one does not answer. Times are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Cause = Literal[
    "unreachable",
    "busy",
    "server_error",
    "timeout",
    "misconfigured",
    "full",
    "context_too_long",
    "content_refused",
]
"""Why a deployment gave no answer, as far as a policy can tell causes apart:

unreachable       no connection: nothing of the request was sent
busy              it said 429, or 503 with retry-after: it did not take the request on
server_error      it failed, broke off, or answered with something that is no answer
timeout           it did not answer in time
misconfigured     it refused this gateway's credentials or does not know the model: 401, 403, 404
full              as many calls as its limit allows are under way, and its queue is full or was too slow
context_too_long  it says that the request is longer than the model can read
content_refused   its content filter refused the request
"""

CAUSES: tuple[Cause, ...] = get_args(Cause)
CALLERS: frozenset[Cause] = frozenset({"context_too_long", "content_refused"})
"""Causes that lie in the request: another deployment of the same model would say the same."""
NOT_TAKEN_ON: frozenset[Cause] = frozenset({"unreachable", "busy", "full"})
"""Causes after which the request has certainly had no effect."""

Order = Literal["written", "cost", "latency", "tags"]
Pick = Literal["first", "weighted", "sticky"]


@dataclass(frozen=True, slots=True)
class When:
    """A condition on a call: `header` is the name where `what` is a header. `values` are what it may be."""

    what: Literal["header", "team", "org", "key"]
    header: bytes
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Keep:
    """A filter rule: only deployments with one of `tags` remain; or one of the tags that the call names in a header."""

    tags: frozenset[str]
    from_header: bytes = b""
    when: When | None = None


@dataclass(frozen=True, slots=True)
class OrderStep:
    """One comparison. For `tags`, deployments with the first of them come first, then those with the second, …"""

    by: Order
    tags: tuple[str, ...] = ()
    when: When | None = None


@dataclass(frozen=True, slots=True)
class StickyBy:
    """What a call is recognised by: `user` (the member of the body), a header, or the beginning of the prompt."""

    what: Literal["user", "header", "prompt"]
    header: bytes = b""
    prompt_bytes: int = 2048


@dataclass(frozen=True, slots=True)
class LatencyRule:
    """Those whose P95 is within `within_percent` of the best are equal; `explore_percent` of the calls go anywhere."""

    window_seconds: float = 300.0
    within_percent: float = 20.0
    explore_percent: float = 5.0


@dataclass(frozen=True, slots=True)
class Chain:
    """Another alias, tried for these causes when no deployment of the alias itself is left to try."""

    alias: str
    on: frozenset[Cause]


@dataclass(frozen=True, slots=True)
class Retry:
    """`rounds` more passes over the deployments, after a pause that doubles and is drawn at random up to its length.

    `budget_percent` bounds retries to that share of recent calls, so that a fault is not made worse by its remedy.
    """

    rounds: int = 0
    on: frozenset[Cause] = NOT_TAKEN_ON
    pause_seconds: float = 0.25
    longest_pause_seconds: float = 10.0
    budget_percent: float = 20.0


@dataclass(frozen=True, slots=True)
class CircuitRule:
    """After `failures` in a row a deployment rests; then one call tries it. The rest doubles while that call fails."""

    failures: int = 5
    cooldown_seconds: float = 15.0
    longest_cooldown_seconds: float = 300.0


OTHERS_TURN: frozenset[Cause] = frozenset(CAUSES) - CALLERS


@dataclass(frozen=True, slots=True)
class Policy:
    """The default, where a config says nothing: in the order written, each next one when the one before fails."""

    name: str = "as written"
    filter: tuple[Keep, ...] = ()
    order: tuple[OrderStep, ...] = ()
    pick: Pick = "first"
    sticky: tuple[StickyBy, ...] = ()
    expected_output_tokens: int = 500
    latency: LatencyRule = LatencyRule()
    on: frozenset[Cause] = OTHERS_TURN
    chains: tuple[Chain, ...] = ()
    retry: Retry = Retry()
    circuit: CircuitRule = CircuitRule()
    all_resting: Literal["try", "refuse"] = "try"
    when_full: Literal["next", "wait"] = "next"
    answer_within_seconds: float = 600.0
    tell_header: bool = False
    tell_log: bool = False


AS_WRITTEN = Policy()


@dataclass(frozen=True, slots=True)
class Price:
    """Per million tokens, in whatever currency the config is written in."""

    input: float
    output: float


@dataclass(frozen=True, slots=True)
class Limits:
    """`concurrent` calls at once over all workers of the site (None: as many as come); `queue` more may wait."""

    concurrent: int | None = None
    queue: int = 0
    queue_seconds: float = 2.0


@dataclass(frozen=True, slots=True)
class Timeouts:
    """`first_byte` and `idle` are those of streams: a whole answer begins when it is done, and has `total` for that.

    A `total` of None is 600 s for a whole answer, and no bound for a stream that keeps coming.
    """

    connect_seconds: float = 5.0
    first_byte_seconds: float = 300.0
    idle_seconds: float = 300.0
    total_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """A GET of `{api_base}{path}` without a key, from this host, each `every_seconds`."""

    path: str = "/models"
    every_seconds: float = 30.0
    timeout_seconds: float = 5.0
