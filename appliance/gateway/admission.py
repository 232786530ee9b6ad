"""Whether a call may proceed: the key, the licence's rung, the model, the caps, in that order.

Reads no clock and no database: times and the snapshot are arguments. Each refusal is the answer that the app gets.
A call that is refused uses up no quota.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from ipaddress import ip_address

from appliance.access.keys import Address, ApiKey, digest_of, hash_of
from appliance.access.window import WINDOW_SECONDS, Decision, RateWindow
from appliance.gateway.errors import (
    FeatureNotLicensed,
    InvalidKey,
    KeyPaused,
    ModelNotAllowed,
    ModelNotFound,
    ModelNotLicensed,
    RateLimited,
    SourceNotAllowed,
)
from appliance.gateway.snapshot import Route, Snapshot

_KEY_LIMIT_BYTES = 256
UNLIMITED = Decision(limit=None, retry_after=0.0, remaining=None, reset_after=0.0)


def authenticate(
    snapshot: Snapshot, headers: Mapping[bytes, bytes], now: datetime, client: tuple[str, int] | None = None
) -> ApiKey:
    """Whose key this is. `client` is the address that the call comes from, where it has one.

    Raises InvalidKey, and says no more about a wrong key than that it is wrong; KeyPaused, SourceNotAllowed.
    """
    secret = _presented(headers)
    if secret is None:
        raise InvalidKey("No API key was sent.")
    key = _key_of(snapshot, secret) if len(secret) <= _KEY_LIMIT_BYTES else None
    if key is None:
        raise InvalidKey("The API key is not one that this gateway knows.")
    state = key.state(now)
    if state == "paused":
        raise KeyPaused(f"The API key {key.prefix}… is paused.")
    if state != "active":
        raise InvalidKey(f"The API key {key.prefix}… is {state}.")
    if key.networks is not None and not key.may_come_from(_address(client)):
        raise SourceNotAllowed(f"The API key {key.prefix}… may not be used from where this call comes from.")
    return key


def _key_of(snapshot: Snapshot, secret: bytes) -> ApiKey | None:
    """By the key itself; or by what another gateway, from which the key came, had kept of it."""
    key = snapshot.keys.get(hash_of(secret, snapshot.hash_key))
    if key is not None:
        # A digest that leaked is not a key.
        return None if key.id in snapshot.digested else key
    if not snapshot.digested:
        return None
    key = snapshot.keys.get(hash_of(digest_of(secret), snapshot.hash_key))
    return key if key is not None and key.id in snapshot.digested else None


def _address(client: tuple[str, int] | None) -> Address | None:
    try:
        return ip_address(client[0].partition("%")[0]) if client else None
    except ValueError:
        return None


def _presented(headers: Mapping[bytes, bytes]) -> bytes | None:
    bearer = headers.get(b"authorization", b"")
    if bearer[:7].lower() == b"bearer ":
        return bearer[7:].strip() or None
    return headers.get(b"x-api-key", b"").strip() or None


def routes_for(snapshot: Snapshot, model: str, key: ApiKey | None = None) -> tuple[Route, ...]:
    """The deployments that may answer this alias, in order. `key` is whose call it is.

    Raises ModelNotFound, ModelNotLicensed, ModelNotAllowed, or the standing.
    """
    if snapshot.refusal is not None:
        raise snapshot.refusal
    if snapshot.serves(model):
        if key is not None and not key.may_use(model):
            raise ModelNotAllowed(f"This API key may not use the model {model[:128]!r}.", param="model")
        return snapshot.routes[model]
    if snapshot.licence is None or not snapshot.licence.allows_model(model):
        if snapshot.config is not None and model not in snapshot.config.aliases:
            raise ModelNotFound(f"There is no model {model[:128]!r} here.", param="model")
        raise ModelNotLicensed(f"The licence of this site does not cover the model {model[:128]!r}.", param="model")
    if snapshot.config is not None and model in snapshot.config.aliases:
        raise FeatureNotLicensed(
            f"The licence of this site does not cover how the model {model[:128]!r} is served.", param="model"
        )
    raise ModelNotFound(f"There is no model {model[:128]!r} here.", param="model")


def spend(snapshot: Snapshot, window: RateWindow, now_monotonic: float) -> Decision:
    """Takes one call out of the licence's caps. Raises RateLimited with `retry-after`."""
    if snapshot.rpm is None and snapshot.tpm is None:
        return UNLIMITED
    decision = window.admit(now_monotonic, rpm=snapshot.rpm, tpm=snapshot.tpm)
    if decision.limit is not None:
        seconds = max(1, math.ceil(decision.retry_after))
        cap = snapshot.rpm if decision.limit == "requests" else snapshot.tpm
        raise RateLimited(
            f"The licence allows this site {cap} {decision.limit} a minute, and they are used up; "
            f"try again in {seconds} s.",
            headers=((b"retry-after", b"%d" % seconds), *rate_headers(snapshot, decision)),
        )
    return decision


def rate_headers(snapshot: Snapshot, decision: Decision) -> tuple[tuple[bytes, bytes], ...]:
    """`x-ratelimit-*` for requests and tokens, where the licence caps them and the decision knows."""
    headers: list[tuple[bytes, bytes]] = []
    if snapshot.rpm is not None and decision.remaining is not None:
        headers += [
            (b"x-ratelimit-limit-requests", b"%d" % snapshot.rpm),
            (b"x-ratelimit-remaining-requests", b"%d" % decision.remaining),
            (b"x-ratelimit-reset-requests", b"%ds" % math.ceil(decision.reset_after)),
        ]
    if snapshot.tpm is not None and decision.remaining_tokens is not None:
        headers += [
            (b"x-ratelimit-limit-tokens", b"%d" % snapshot.tpm),
            (b"x-ratelimit-remaining-tokens", b"%d" % decision.remaining_tokens),
            (b"x-ratelimit-reset-tokens", b"%ds" % (math.ceil(decision.retry_after) or WINDOW_SECONDS)),
        ]
    return tuple(headers)
