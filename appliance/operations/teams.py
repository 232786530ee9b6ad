"""Orgs and teams, and what they and keys may use up: made, shown, capped, deleted. Workers see a change with their next
request."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from appliance.access import teams
from appliance.access.account import Account, Moment
from appliance.access.caps import COSTS, COUNTED, NO_CAPS, Caps, amount, as_dict, changed, words
from appliance.access.kept_caps import Place, all_caps, caps_of, of_key, put_caps
from appliance.access.keys import find_key, known_channel
from appliance.access.quota import QUOTA_FILE, Quota
from appliance.access.spent import sums_at
from appliance.access.teams import Team
from appliance.state.database import transaction
from appliance.state.site import Site


@dataclass(frozen=True, slots=True)
class Use:
    """What one place may use up, and what it has: costs as text, as in `caps.as_dict`."""

    place: Place
    caps: Caps
    used: Mapping[str, int | str]

    def as_dict(self) -> dict[str, Any]:
        return {"channel": self.place.channel or None, "caps": as_dict(self.caps), "used": dict(self.used)}


def make_team(site: Site, org: str, team: str, now: datetime) -> Team:
    """An org where `team` is empty. Raises TeamRefused, TeamUnknown."""
    with transaction(site.database):
        teams.make(site.database, org, team, now)
        site.record("team.create" if team else "org.create", _label(org, team), now)
    return teams.find(site.database, org, team)


def list_orgs(site: Site) -> list[Team]:
    return teams.list_orgs(site.database)


def list_teams(site: Site, org: str | None = None) -> list[Team]:
    """Raises TeamUnknown for an org that there is not."""
    if org is not None:
        teams.find(site.database, org, "")
    return [each for each in teams.list_teams(site.database) if org in (None, each.org)]


def delete_team(site: Site, org: str, team: str, now: datetime) -> None:
    """Raises TeamUnknown; TeamRefused while there is anything in it."""
    with transaction(site.database):
        teams.delete(site.database, org, team)
        site.record("team.delete" if team else "org.delete", _label(org, team), now)


def place_of_team(site: Site, org: str, team: str, channel: str | None) -> Place:
    """Raises TeamUnknown, KeyRefused."""
    found = teams.find(site.database, org, team)
    named = known_channel(channel) if channel else ""
    return Place("team" if team else "org", found.org, found.name, channel=named)


def place_of_key(site: Site, name_or_id: str) -> Place:
    """Raises KeyUnknown, KeyRefused."""
    return of_key(find_key(site.database, name_or_id).account)


def limit(site: Site, place: Place, new: Mapping[str, Any], now: datetime) -> tuple[Caps, Caps]:
    """Sets these caps (None: not capped any more); what is not named stays. Gives what was before, and what is now.

    Raises CapsRefused, KeyRefused.
    """
    with transaction(site.database):
        before = caps_of(site.database, place)
        after = changed(before, new)
        if after != before:
            put_caps(site.database, place, after)
            site.record(f"{place.tier}.limit", f"{_subject(place)}: {words(before)} → {words(after)}", now)
    site.board.raise_generation()
    return before, after


def uses_of(site: Site, place: Place, boot_id: bytes, moment: Moment) -> list[Use]:
    """What this place may use up and has, over all channels first, then of each channel that has caps of its own."""
    kept = all_caps(site.database)
    same = [each for each in kept if _is_below(each, place)]
    places = [place, *sorted((each for each in same if each != place), key=lambda each: each.channel)]
    sums = sums_at(site.database, moment.wall)
    with closing(Quota(site.folder / QUOTA_FILE, boot_id=boot_id)) as quota:
        found = []
        for each in places:
            spent = sums.of(each.org, each.team, each.account, each.channel)
            account = Account(each.tier, each.id, each.name, kept.get(each, NO_CAPS), spent)
            used = quota.used(account, moment)
            shown = {name: amount(used[name]) if name in COSTS else used[name] for name in COUNTED}
            found.append(Use(each, account.caps, shown))
    return found


def _is_below(other: Place, place: Place) -> bool:
    same = (other.tier, other.org, other.team, other.account) == (place.tier, place.org, place.team, place.account)
    return same and place.channel in ("", other.channel)


def _label(org: str, team: str) -> str:
    return f"{org!r}/{team!r}" if team else repr(org)


def _subject(place: Place) -> str:
    channel = f" ({place.channel})" if place.channel else ""
    return (place.account if place.tier == "key" else _label(place.org, place.team)) + channel
