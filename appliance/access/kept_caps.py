"""The caps of orgs, teams and keys as they are kept, each by the place that it is for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from appliance.access.caps import NO_CAPS, Caps, from_text, to_text
from appliance.errors import StateDamaged
from appliance.state.database import Connection
from licensing.errors import Refusal


@dataclass(frozen=True, slots=True)
class Place:
    """What caps are for: an org, a team of it, or a key by its account; of one channel, or (empty) of them all."""

    tier: Literal["org", "team", "key"]
    org: str = ""
    team: str = ""
    account: str = ""
    channel: str = ""

    @property
    def id(self) -> str:
        return json.dumps([self.tier, self.org, self.team, self.account, self.channel])

    @property
    def name(self) -> str:
        if self.tier == "key":
            return "This API key"
        called = f"The team {self.org}/{self.team}" if self.tier == "team" else f"The organisation {self.org}"
        return f"{called} ({self.channel})" if self.channel else called


def of_key(account: str) -> Place:
    return Place("key", account=account)


def all_caps(database: Connection) -> Mapping[Place, Caps]:
    """Raises StateDamaged."""
    found: dict[Place, Caps] = {}
    for row in database.execute("SELECT tier, org, team, account, channel, caps FROM caps"):
        place = Place(*tuple(row)[:5])
        try:
            found[place] = from_text(row["caps"])
        except (Refusal, ValueError, TypeError, KeyError, AttributeError) as exc:
            raise StateDamaged(f"The caps of {place.name[0].lower()}{place.name[1:]} cannot be read.") from exc
    return found


def caps_of(database: Connection, place: Place) -> Caps:
    return all_caps(database).get(place, NO_CAPS)


def put_caps(db: Connection, place: Place, caps: Caps) -> None:
    """In the place of those that were there. Within a transaction."""
    whose = (place.tier, place.org, place.team, place.account, place.channel)
    db.execute("DELETE FROM caps WHERE (tier, org, team, account, channel) = (?, ?, ?, ?, ?)", whose)
    if caps != NO_CAPS:
        db.execute("INSERT INTO caps VALUES (?, ?, ?, ?, ?, ?)", (*whose, to_text(caps)))
