"""Whether a call may proceed: the key, the licence's rung, the model, the caps, in that order.

Reads no clock and no database: times and the snapshot are arguments. Each refusal is the answer that the app gets.
A call that is refused uses up no quota.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from ipaddress import ip_address

from appliance.access.account import Ask, Full, Moment
from appliance.access.grant import Grant
from appliance.access.keys import Address, ApiKey, digest_of, hash_of
from appliance.access.quota import Quota, Taken
from appliance.gateway.errors import (
    ChannelNotAllowed,
    FeatureNotLicensed,
    InvalidKey,
    KeyPaused,
    ModelNotAllowed,
    ModelNotFound,
    ModelNotLicensed,
    SourceNotAllowed,
)
from appliance.gateway.full import refusal_of
from appliance.gateway.snapshot import Route, Snapshot

_KEY_LIMIT_BYTES = 256


def authenticate(
    snapshot: Snapshot, headers: Mapping[bytes, bytes], now: datetime, client: tuple[str, int] | None = None
) -> Grant:
    """Whose key this is, with what it is allowed. `client` is the address that the call comes from, where it has one.

    Raises InvalidKey, and says no more about a wrong key than that it is wrong; KeyPaused, SourceNotAllowed,
    ChannelNotAllowed.
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
    grant = snapshot.grants[key.id]
    if grant.bounds:
        _within_bounds(grant, now, client)
    return grant


def _within_bounds(grant: Grant, now: datetime, client: tuple[str, int] | None) -> None:
    """What the tiers above the key allow it."""
    if (name := grant.ended(now)) is not None:
        raise InvalidKey(f"{name} has come to the end that was set for it.")
    if (name := grant.refuser_of_channel()) is not None:
        raise ChannelNotAllowed(f"{name} has no keys of the channel {grant.key.channel!r}.")
    if (name := grant.refuser_from(_address(client))) is not None:
        raise SourceNotAllowed(f"{name} may not be used from where this call comes from.")


def known_key(snapshot: Snapshot, headers: Mapping[bytes, bytes]) -> ApiKey | None:
    """Whose key was sent, whether or not it opens anything."""
    secret = _presented(headers)
    return _key_of(snapshot, secret) if secret is not None and len(secret) <= _KEY_LIMIT_BYTES else None


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


def routes_for(snapshot: Snapshot, model: str, grant: Grant | None = None) -> tuple[Route, ...]:
    """The deployments that may answer this alias, in order. `grant` is what the caller is allowed.

    Raises ModelNotFound, ModelNotLicensed, ModelNotAllowed, or the standing.
    """
    if snapshot.refusal is not None:
        raise snapshot.refusal
    if snapshot.serves(model):
        if grant is not None and (name := grant.refuser_of(model)) is not None:
            raise ModelNotAllowed(f"{name} may not use the model {model[:128]!r}.", param="model")
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


def spend(quota: Quota, grant: Grant, ask: Ask, moment: Moment) -> Taken | None:
    """Takes one call out of all caps that it must fit; None where there are none. Raises RateLimited and its kin."""
    if not grant.accounts:
        return None
    taken = quota.admit(grant.accounts, ask, moment)
    if isinstance(taken, Full):
        raise refusal_of(taken, moment)
    return taken
