"""`ao orgs …`, `ao teams …`: who keys belong to, and what all of theirs may use up; `ao keys limit` for one key."""

from __future__ import annotations

import time
from typing import Any

import click

from appliance.access.account import Moment
from appliance.access.caps import as_dict, words
from appliance.access.kept_caps import Place
from appliance.access.keys import CHANNELS
from appliance.access.teams import Team
from appliance.cli.caps import all_options, caps_in, counted_options, shown_uses
from appliance.cli.face import Face, Result, command, table
from appliance.host_process import boot_id
from appliance.operations.teams import (
    delete_team,
    limit,
    list_orgs,
    list_teams,
    make_team,
    place_of_key,
    place_of_team,
    uses_of,
)
from appliance.state.site import Site
from licensing.document import format_time

_CHANNEL = click.option("--channel", type=click.Choice(CHANNELS), help="Of the keys of one channel only.")


def add_to(main: click.Group) -> None:
    @main.group("orgs")
    def orgs() -> None:
        """Organisations: what all of their teams may use up together."""

    @main.group("teams")
    def of_teams() -> None:
        """Teams: what all of their keys may use up together."""

    _orgs(orgs)
    _teams(of_teams)
    keys = main.commands["keys"]
    if isinstance(keys, click.Group):
        _keys(keys)


def _orgs(group: click.Group) -> None:
    @command(group, "create", example="ao orgs create hospital")
    @click.argument("org")
    def create(face: Face, *, org: str) -> Result:
        """Make an org. (A key that names one makes it too.)"""
        return _create(face, org, "")

    @command(group, "list", example="ao orgs list")
    def list_(face: Face) -> Result:
        """List the orgs, with how many teams and keys each has."""
        with face.site() as site:
            found = list_orgs(site)
        rows = [{"org": each.org, **_counts(each), "teams": each.teams} for each in found]
        header = ("org", "teams", "keys", "created_at")
        return Result({"orgs": rows}, table(header, [[str(row[name]) for name in header] for row in rows]))

    @command(group, "show", example="ao orgs show hospital")
    @click.argument("org")
    @_CHANNEL
    def show(face: Face, *, org: str, channel: str | None) -> Result:
        """Show an org's caps, and how much of each is used up now."""
        with face.site() as site:
            return _show(site, place_of_team(site, org, "", channel))

    @command(group, "limit", example="ao orgs limit hospital --rpm 600 --cost-month 500.00")
    @click.argument("org")
    @_CHANNEL
    @all_options
    def limit_(face: Face, /, *, org: str, channel: str | None, expires: Any, **options: Any) -> Result:
        """Cap what an org may use up; what is not named stays. It holds from the next request on."""
        with face.site() as site:
            return _limit(face, site, place_of_team(site, org, "", channel), options | {"expires_at": expires})

    @command(group, "delete", example="ao orgs delete hospital --yes")
    @click.argument("org")
    @click.option("--yes", is_flag=True, help="Do not ask.")
    def delete(face: Face, *, org: str, yes: bool) -> Result:
        """Take away an org that has no teams any more, with its caps."""
        return _delete(face, org, "", yes)


def _teams(group: click.Group) -> None:
    @command(group, "create", example="ao teams create hospital ward-3")
    @click.argument("org")
    @click.argument("team")
    def create(face: Face, *, org: str, team: str) -> Result:
        """Make a team of an org. (A key that names one makes it too.)"""
        return _create(face, org, team)

    @command(group, "list", example="ao teams list --org hospital")
    @click.option("--org", help="Of this org only.")
    def list_(face: Face, *, org: str | None) -> Result:
        """List the teams, with how many keys each has."""
        with face.site() as site:
            found = list_teams(site, org)
        rows = [{"org": each.org, "team": each.name, **_counts(each)} for each in found]
        header = ("org", "team", "keys", "created_at")
        return Result({"teams": rows}, table(header, [[str(row[name]) for name in header] for row in rows]))

    @command(group, "show", example="ao teams show hospital ward-3")
    @click.argument("org")
    @click.argument("team")
    @_CHANNEL
    def show(face: Face, *, org: str, team: str, channel: str | None) -> Result:
        """Show a team's caps, and how much of each is used up now."""
        with face.site() as site:
            return _show(site, place_of_team(site, org, team, channel))

    @command(group, "limit", example="ao teams limit hospital ward-3 --concurrent 8 --tokens-day 2000000")
    @click.argument("org")
    @click.argument("team")
    @_CHANNEL
    @all_options
    def limit_(face: Face, /, *, org: str, team: str, channel: str | None, expires: Any, **options: Any) -> Result:
        """Cap what a team may use up; what is not named stays. It holds from the next request on."""
        with face.site() as site:
            return _limit(face, site, place_of_team(site, org, team, channel), options | {"expires_at": expires})

    @command(group, "delete", example="ao teams delete hospital ward-3 --yes")
    @click.argument("org")
    @click.argument("team")
    @click.option("--yes", is_flag=True, help="Do not ask.")
    def delete(face: Face, *, org: str, team: str, yes: bool) -> Result:
        """Take away a team that has no keys any more, with its caps."""
        return _delete(face, org, team, yes)


def _keys(group: click.Group) -> None:
    @command(group, "limit", example="ao keys limit billing-bot --rpm 60 --cost-day 12.50")
    @click.argument("key")
    @counted_options
    def limit_(face: Face, /, *, key: str, **options: Any) -> Result:
        """Cap what a key may use up; what is not named stays. (For models, networks and expiry: ao keys change.)"""
        with face.site() as site:
            return _limit(face, site, place_of_key(site, key), options)

    @command(group, "used", example="ao keys used billing-bot")
    @click.argument("key")
    def used(face: Face, *, key: str) -> Result:
        """Show a key's caps, and how much of each is used up now."""
        with face.site() as site:
            return _show(site, place_of_key(site, key))


def _create(face: Face, org: str, team: str) -> Result:
    with face.site() as site:
        made = make_team(site, org, team, face.now)
    named = {"org": made.org, "team": team or None}
    return Result({**named, **_counts(made)}, [f"{'The team' if team else 'The org'} {team or org} is made."])


def _show(site: Site, place: Place) -> Result:
    boot = bytes.fromhex(boot_id().replace("-", ""))
    uses = uses_of(site, place, boot, Moment(time.clock_gettime(time.CLOCK_BOOTTIME), time.time()))
    return Result({"uses": [each.as_dict() for each in uses]}, shown_uses(uses))


def _limit(face: Face, site: Site, place: Place, options: dict[str, Any]) -> Result:
    before, after = limit(site, place, caps_in(options), face.now)
    data = {"before": as_dict(before), "caps": as_dict(after), "changed": before != after}
    return Result(data, [f"{place.name}: {words(after)}" + ("" if before != after else " (as before)")])


def _delete(face: Face, org: str, team: str, yes: bool) -> Result:
    named = f"the team {org}/{team}" if team else f"the org {org}"
    with face.site() as site:
        place_of_team(site, org, team, None)
        if not yes and (face.as_json or not click.confirm(f"Take away {named}, with its caps?")):
            return Result({"deleted": False}, ["Nothing was changed."], 1)
        delete_team(site, org, team, face.now)
    return Result({"deleted": True}, [f"{named[0].upper()}{named[1:]} is gone."])


def _counts(team: Team) -> dict[str, Any]:
    return {"keys": team.keys, "created_at": format_time(team.created_at)}
