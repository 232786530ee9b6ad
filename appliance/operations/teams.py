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
from appliance.access.authorise import Permission
from appliance.access.caps import COSTS, COUNTED, NO_CAPS, Caps, amount, as_dict, changed, words
from appliance.access.kept_caps import Place, all_caps, caps_of, of_key, put_caps
from appliance.access.keys import known_channel, list_keys
from appliance.access.quota import QUOTA_FILE, Quota
from appliance.access.spent import sums_at
from appliance.access.teams import Team
from appliance.observe.audit import digest_of
from appliance.operations.keys import find_key
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
    """An org where `team` is empty. Raises TeamRefused, TeamUnknown, NotPermitted."""
    site.require(Permission.TEAMS_WRITE, *_above(org, team))
    with transaction(site.database):
        teams.make(site.database, org, team, now)
        site.record("team.create" if team else "org.create", _label(org, team), now)
    return teams.find(site.database, org, team)


def list_orgs(site: Site) -> list[Team]:
    """Those that whoever acts may look at as a whole."""
    site.require_somewhere(Permission.TEAMS_READ)
    return [each for each in teams.list_orgs(site.database) if site.sees(Permission.TEAMS_READ, each.org)]


def list_teams(site: Site, org: str | None = None) -> list[Team]:
    """Those that whoever acts may look at. Raises TeamUnknown for an org that there is not."""
    site.require_somewhere(Permission.TEAMS_READ)
    found = [each for each in teams.list_teams(site.database) if org in (None, each.org)]
    seen = [each for each in found if site.sees(Permission.TEAMS_READ, each.org, each.name)]
    if org is not None and not seen:
        site.require(Permission.TEAMS_READ, org)
        teams.find(site.database, org, "")
    return seen


def delete_team(site: Site, org: str, team: str, now: datetime) -> None:
    """Raises TeamUnknown, NotPermitted; TeamRefused while there is anything in it."""
    site.require(Permission.TEAMS_WRITE, *_above(org, team))
    with transaction(site.database):
        teams.delete(site.database, org, team)
        site.record("team.delete" if team else "org.delete", _label(org, team), now)


def place_of_team(site: Site, org: str, team: str, channel: str | None) -> Place:
    """Raises TeamUnknown, KeyRefused, NotPermitted."""
    site.require(Permission.TEAMS_READ, org, team or None)
    found = teams.find(site.database, org, team)
    named = known_channel(channel) if channel else ""
    return Place("team" if team else "org", found.org, found.name, channel=named)


def place_of_key(site: Site, name_or_id: str) -> Place:
    """Raises KeyUnknown, KeyRefused, NotPermitted."""
    return of_key(find_key(site, name_or_id).account)


def limit(site: Site, place: Place, new: Mapping[str, Any], now: datetime) -> tuple[Caps, Caps]:
    """Sets these caps (None: not capped any more); what is not named stays. Gives what was before, and what is now.

    Nobody lifts what they are under: an org's caps are the site's matter, a team's the org's, a key's the team's.

    Raises CapsRefused, KeyRefused, NotPermitted.
    """
    site.require_somewhere(Permission.CAPS_WRITE)
    for scope in _teams_of(site, place) if place.tier == "key" else [_above(place.org, place.team)]:
        site.require(Permission.CAPS_WRITE, *scope)
    with transaction(site.database):
        before = caps_of(site.database, place)
        after = changed(before, new)
        if after != before:
            put_caps(site.database, place, after)
            subject = f"{_subject(place)}: {words(before)} → {words(after)}"
            digests = digest_of(as_dict(before)), digest_of(as_dict(after))
            site.record(f"{place.tier}.limit", subject, now, before=digests[0], after=digests[1])
    site.board.raise_generation()
    return before, after


def uses_of(site: Site, place: Place, boot_id: bytes, moment: Moment) -> list[Use]:
    """What this place may use up and has, over all channels first, then of each channel that has caps of its own.

    Raises NotPermitted.
    """
    permission = Permission.KEYS_READ if place.tier == "key" else Permission.TEAMS_READ
    site.require_somewhere(permission)
    for scope in _teams_of(site, place) if place.tier == "key" else [(place.org, place.team or None)]:
        site.require(permission, *scope)
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


def _above(org: str, team: str) -> tuple[str] | tuple[()]:
    """Whose matter it is that there is such an org or team: the site's, or the org's."""
    return (org,) if team else ()


def _teams_of(site: Site, place: Place) -> list[tuple[str, str]]:
    """Of every key that counts in this account: those that followed each other, wherever they were moved."""
    return [(each.org, each.team) for each in list_keys(site.database) if each.account == place.account] or [("", "")]


def _is_below(other: Place, place: Place) -> bool:
    same = (other.tier, other.org, other.team, other.account) == (place.tier, place.org, place.team, place.account)
    return same and place.channel in ("", other.channel)


def _label(org: str, team: str) -> str:
    return f"{org!r}/{team!r}" if team else repr(org)


def _subject(place: Place) -> str:
    channel = f" ({place.channel})" if place.channel else ""
    return (place.account if place.tier == "key" else _label(place.org, place.team)) + channel
