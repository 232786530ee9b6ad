"""`/orgs`, and the teams of each: who keys belong to, and what all of theirs may use up."""

from __future__ import annotations

from typing import Annotated

from litestar.params import JSONBody, QueryParameter

from appliance.access.authorise import Permission
from appliance.access.keys import Channel
from appliance.access.teams import Team
from appliance.admin_api.answer import Limit, Offset, page
from appliance.admin_api.resources.caps import AllCaps, CapsChanged, Uses, caps_changed, caps_in, uses_told
from appliance.admin_api.resources.models import Body, Label, Name, Told
from appliance.admin_api.routes import OnDesk, route
from appliance.operations.teams import delete_team, list_orgs, list_teams, make_team, place_of_team
from licensing.document import format_time

OfChannel = Annotated[Channel | None, QueryParameter(description="Of the keys of one channel only.")]


class NewOrg(Body):
    org: Label


class NewTeam(Body):
    team: Label


class Org(Told):
    org: str
    teams: int
    keys: int
    created_at: str


class OrgPage(Told):
    items: list[Org]
    total: int
    next_offset: int | None


class TeamTold(Told):
    org: str
    team: str
    keys: int
    created_at: str


class TeamPage(Told):
    items: list[TeamTold]
    total: int
    next_offset: int | None


class Deleted(Told):
    deleted: bool = True


@route("GET", "/orgs", Permission.TEAMS_READ, "orgs list")
def list_orgs_(desk: OnDesk, limit: Limit = 100, offset: Offset = 0) -> OrgPage:
    """The orgs, with how many teams and keys each has."""
    return OrgPage(**page([_org(each) for each in list_orgs(desk.site)], limit, offset))


@route("POST", "/orgs", Permission.TEAMS_WRITE, "orgs create", status=201)
def create_org(desk: OnDesk, data: JSONBody[NewOrg]) -> Org:
    """Make an org."""
    return _org(make_team(desk.site, data.org, "", desk.now))


@route("GET", "/orgs/{org:str}", Permission.TEAMS_READ, "orgs show")
def show_org(desk: OnDesk, org: Name, channel: OfChannel = None) -> Uses:
    """An org's caps, and how much of each is used up now."""
    return uses_told(desk, place_of_team(desk.site, org, "", channel))


@route("PATCH", "/orgs/{org:str}/caps", Permission.CAPS_WRITE, "orgs limit", besides=Permission.TEAMS_READ)
def limit_org(desk: OnDesk, org: Name, data: JSONBody[AllCaps], channel: OfChannel = None) -> CapsChanged:
    """Cap what an org may use up; what is left out stays, null takes a cap away."""
    return caps_changed(desk, place_of_team(desk.site, org, "", channel), caps_in(data))


@route("DELETE", "/orgs/{org:str}", Permission.TEAMS_WRITE, "orgs delete", asks_twice=True)
def delete_org(desk: OnDesk, org: Name) -> Deleted:
    """Take away an org that has no teams any more, with its caps."""
    place_of_team(desk.site, org, "", None)
    desk.agree(f"The org {org} would be taken away, with its caps.")
    delete_team(desk.site, org, "", desk.now)
    return Deleted()


@route("GET", "/teams", Permission.TEAMS_READ, "teams list")
def list_teams_(
    desk: OnDesk,
    org: Annotated[str | None, QueryParameter(min_length=1, max_length=64, description="Of this org only.")] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> TeamPage:
    """The teams, with how many keys each has."""
    return TeamPage(**page([_team(each) for each in list_teams(desk.site, org)], limit, offset))


@route("POST", "/orgs/{org:str}/teams", Permission.TEAMS_WRITE, "teams create", status=201)
def create_team(desk: OnDesk, org: Name, data: JSONBody[NewTeam]) -> TeamTold:
    """Make a team of an org."""
    return _team(make_team(desk.site, org, data.team, desk.now))


@route("GET", "/orgs/{org:str}/teams/{team:str}", Permission.TEAMS_READ, "teams show")
def show_team(desk: OnDesk, org: Name, team: Name, channel: OfChannel = None) -> Uses:
    """A team's caps, and how much of each is used up now."""
    return uses_told(desk, place_of_team(desk.site, org, team, channel))


@route(
    "PATCH",
    "/orgs/{org:str}/teams/{team:str}/caps",
    Permission.CAPS_WRITE,
    "teams limit",
    besides=Permission.TEAMS_READ,
)
def limit_team(desk: OnDesk, org: Name, team: Name, data: JSONBody[AllCaps], channel: OfChannel = None) -> CapsChanged:
    """Cap what a team may use up; what is left out stays, null takes a cap away."""
    return caps_changed(desk, place_of_team(desk.site, org, team, channel), caps_in(data))


@route("DELETE", "/orgs/{org:str}/teams/{team:str}", Permission.TEAMS_WRITE, "teams delete", asks_twice=True)
def delete_team_(desk: OnDesk, org: Name, team: Name) -> Deleted:
    """Take away a team that has no keys any more, with its caps."""
    place_of_team(desk.site, org, team, None)
    desk.agree(f"The team {org}/{team} would be taken away, with its caps.")
    delete_team(desk.site, org, team, desk.now)
    return Deleted()


def _org(team: Team) -> Org:
    return Org(org=team.org, teams=team.teams, keys=team.keys, created_at=format_time(team.created_at))


def _team(team: Team) -> TeamTold:
    return TeamTold(org=team.org, team=team.name, keys=team.keys, created_at=format_time(team.created_at))


ROUTES = (
    list_orgs_,
    create_org,
    show_org,
    limit_org,
    delete_org,
    list_teams_,
    create_team,
    show_team,
    limit_team,
    delete_team_,
)
