"""All that a key may do and use up: its own caps and those of every tier above it, worked out once a snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from appliance.access.account import Account, Spent
from appliance.access.caps import NO_CAPS, Caps
from appliance.access.kept_caps import Place, all_caps, of_key
from appliance.access.keys import Address, ApiKey
from appliance.access.spent import Sums, sums_at
from appliance.state.database import Connection


@dataclass(frozen=True, slots=True)
class Bound:
    """What a tier above a key allows it. `name` is told in refusals."""

    name: str
    caps: Caps


@dataclass(frozen=True, slots=True)
class Grant:
    """`accounts` is all that a call of this key is counted in, the licence first."""

    key: ApiKey
    accounts: tuple[Account, ...]
    bounds: tuple[Bound, ...] = ()
    measured: bool = field(init=False)
    """Whether how much a call may use up makes a difference."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "measured", not all(each.only_requests for each in self.accounts))

    def may_use(self, model: str) -> bool:
        return self.refuser_of(model) is None

    def refuser_of(self, model: str) -> str | None:
        """Who does not allow a model, if anybody."""
        if not self.key.may_use(model):
            return "This API key"
        return next((bound.name for bound in self.bounds if not bound.caps.may_use(model)), None)

    def refuser_from(self, address: Address | None) -> str | None:
        """Who does not allow calls from there, if anybody. (The key itself: keys.may_come_from.)"""
        return next((bound.name for bound in self.bounds if not bound.caps.may_come_from(address)), None)

    def refuser_of_channel(self) -> str | None:
        channel = self.key.channel
        return next((one.name for one in self.bounds if channel not in (one.caps.channels or (channel,))), None)

    def ended(self, now: datetime) -> str | None:
        """Who has come to its end, if anybody above the key."""
        return next((one.name for one in self.bounds if one.caps.expires_at and now >= one.caps.expires_at), None)


def grants(
    database: Connection, keys: Iterable[ApiKey], *, rpm: int | None, tpm: int | None, wall: float
) -> Mapping[str, Grant]:
    """For every key by its id. `rpm` and `tpm` are the licence's. Raises StateDamaged."""
    caps = all_caps(database)
    sums = sums_at(database, wall) if any(each.budgets for each in caps.values()) else None
    accounts = {place: _account(place, each, sums) for place, each in caps.items() if each.counts}
    licence = (Account("licence", "licence", "The licence", Caps(rpm=rpm, tpm=tpm)),) if rpm or tpm else ()
    made: dict[str, Grant] = {}
    # Thousands of keys lie below a few places, and a worker asks for all of them whenever anything changes.
    shared: dict[tuple[str, str, str], tuple[tuple[Account, ...], tuple[Bound, ...]]] = {}
    for key in keys:
        if (below := (key.org, key.team, key.channel)) not in shared:
            above = _places_above(key)
            shared[below] = (
                licence + tuple(accounts[place] for place in above if place in accounts),
                tuple(Bound(place.name, caps[place]) for place in above if caps.get(place, NO_CAPS).narrows),
            )
        counted, bounds = shared[below]
        own = accounts.get(of_key(key.account))
        made[key.id] = Grant(key, counted if own is None else (*counted, own), bounds)
    return made


def _places_above(key: ApiKey) -> tuple[Place, ...]:
    """Org, the org's channel, team, the team's channel."""
    return (
        Place("org", key.org),
        Place("org", key.org, channel=key.channel),
        Place("team", key.org, key.team),
        Place("team", key.org, key.team, channel=key.channel),
    )


def _account(place: Place, caps: Caps, sums: Sums | None) -> Account:
    spent = Spent()
    if sums is not None and caps.budgets:
        spent = sums.of(place.org, place.team, place.account, place.channel)
    return Account(place.tier, place.id, place.name, caps, spent)
