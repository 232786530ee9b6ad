"""Every route, made from the table of routes: who gets past it, and who does not."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from appliance.access.authorise import Permission, Scope
from appliance.access.roles import complete
from appliance.admin_api.routes import Declared
from appliance.state.site import open_site
from tests.appliance.admin_api.examples import OTHER, OWN, ROUTES, Example, examples, named, site_with_everything
from tests.appliance.admin_api.inprocess import ALL, Asked
from tests.appliance.sites import CONSOLE

OF_THE_RELEASE = {
    "GET /route/presets": "what every release says to everybody: no state is looked at",
    "GET /providers": "the catalogue that ships: no state is looked at",
    "GET /providers/{provider:str}": "the catalogue that ships: no state is looked at",
    "GET /roles": "what a role holds: who grants one anywhere has to know, and it says nothing of who has it",
    "GET /roles/{role:str}": "the same of one role",
}
"""Routes without an operation that asks for a place: there is nothing in them to guard."""

UNKNOWN = ("key_unknown", "team_unknown", "administrator_unknown", "token_unknown", "session_unknown")
"""What is not there for those who may not look at it."""

LISTS = {"GET /keys", "GET /orgs", "GET /teams", "GET /administrators", "GET /tokens", "GET /sessions"}
"""They show what the caller may look at, and nothing else."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return site_with_everything(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="module")
def unchanged(template: Path) -> Asked:
    """For calls that are refused: what would change it fails another test."""
    return Asked(template)


@pytest.fixture
def asked(template: Path, tmp_path: Path) -> Asked:
    shutil.copytree(template, tmp_path / "state")
    return Asked(tmp_path / "state")


@pytest.fixture(params=ROUTES, ids=named)
def route(request: pytest.FixtureRequest) -> Declared:
    found: Declared = request.param
    return found


def example(asked: Asked, route: Declared) -> Example:
    return examples(asked.state)[named(route)]


def but_the_trail(state: Path) -> dict[str, list[tuple[object, ...]]]:
    """All that is in the database beside the audit trail."""
    with closing(open_site(state, by=CONSOLE)) as site:
        names = [row[0] for row in site.database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: [tuple(row) for row in site.database.execute(f"SELECT * FROM {name}")]
            for name in names
            if not name.startswith("audit")
        }


def test_every_route_has_an_example_and_every_example_a_route(template: Path) -> None:
    assert sorted(examples(template)) == sorted(named(each) for each in ROUTES)


def test_without_a_token_no_route_is_reached(unchanged: Asked, route: Declared) -> None:
    if route.open_to_all:
        pytest.skip("this is where one signs in")
    tried = example(unchanged, route)
    before = but_the_trail(unchanged.state)
    for headers in ({}, {"cookie": "session=aos_abc; token=aot_abc"}, {"authorization": "Basic YTpi"}):
        more = {**tried.more, "headers": {**tried.more.get("headers", {}), **headers}}
        told = unchanged(route.method, tried.target, **more)
        assert (told.status_code, told.json()["error"]["code"]) == (401, "not_authenticated"), headers
        assert told.headers["www-authenticate"] == "Bearer"
    told = unchanged(route.method, tried.target, "token-that-nobody-gave-out", **tried.more)
    assert told.status_code == 401
    assert but_the_trail(unchanged.state) == before


def test_a_route_opens_to_those_who_have_what_it_declares_and_to_nobody_else(asked: Asked, route: Declared) -> None:
    if route.open_to_all:
        pytest.skip("this is where one signs in")
    tried = example(asked, route)
    passed = set()
    besides = {route.besides} if route.besides else set()
    if route.permission is Permission.ADMINISTRATORS_WRITE:
        # Nobody hands on what they do not hold, so whoever administers others here holds all the rest.
        besides = set(ALL) - {Permission.ADMINISTRATORS_WRITE}
    for permission in Permission:
        told = asked(route.method, tried.target, asked.known.token(permission, *besides), **tried.more)
        assert told.status_code < 500, told.text
        if told.status_code == 403:
            assert told.json()["error"]["code"] == "not_permitted"
        else:
            assert told.status_code != 401
            passed.add(permission)
    everyone = {each for each in Permission if route.permission is None or route.permission in complete([each])}
    assert passed == everyone


def test_with_everything_each_example_is_answered_as_it_should_be(asked: Asked, route: Declared) -> None:
    """Or the tests around this one would show nothing."""
    if route.open_to_all:
        pytest.skip("this is where one signs in")
    tried = example(asked, route)
    told = asked(route.method, tried.target, asked.known.token(*ALL), **tried.more)
    assert told.status_code == 428 if route.asks_twice else told.status_code in (200, 201), told.text
    assert told.headers["cache-control"] == "no-store"
    assert told.headers["x-content-type-options"] == "nosniff"
    assert not [name for name in told.headers if name.startswith("access-control")]


def test_the_operation_itself_refuses_where_the_right_is_somebody_elses(unchanged: Asked, route: Declared) -> None:
    """The caller has all permissions, in another org: the route lets them in, and the operation does not."""
    if route.permission is None or named(route) in OF_THE_RELEASE:
        pytest.skip("nothing of this site is looked at")
    tried = example(unchanged, route)
    told = unchanged(route.method, tried.target, unchanged.known.token(*ALL, within=Scope("elsewhere")), **tried.more)
    if named(route) in LISTS and told.status_code == 200:
        assert told.json()["items"] == []
        return
    assert told.status_code in (403, 404), told.text
    if told.status_code == 404:
        assert told.json()["error"]["code"] in UNKNOWN


OF_A_TEAM = [
    each
    for each in ROUTES
    if each.path.startswith(("/keys", "/orgs", "/teams"))
    and named(each)
    not in (
        "GET /orgs",
        "POST /orgs",
        "GET /orgs/{org:str}",
        "DELETE /orgs/{org:str}",
        "PATCH /orgs/{org:str}/caps",
        "POST /orgs/{org:str}/teams",
        "DELETE /orgs/{org:str}/teams/{team:str}",
        "PATCH /orgs/{org:str}/teams/{team:str}/caps",
        "POST /keys/import",
    )
]
"""What somebody of one team can do: the rest is a matter of its org or of the site."""


@pytest.mark.parametrize("route", OF_A_TEAM, ids=named)
def test_a_team_lead_reaches_their_own_team_and_no_other(template: Path, tmp_path: Path, route: Declared) -> None:
    shutil.copytree(template, tmp_path / "state")
    asked = Asked(tmp_path / "state")
    tried = examples(asked.state)[named(route)]
    before = but_the_trail(asked.state)
    other = asked(route.method, tried.target, asked.known.token(*ALL, within=Scope(*OTHER)), **tried.more)
    if other.status_code >= 400:
        assert but_the_trail(asked.state) == before
    own = asked(route.method, tried.target, asked.known.token(*ALL, within=Scope(*OWN)), **tried.more)
    assert own.status_code == 428 if route.asks_twice else own.status_code in (200, 201), own.text
    if named(route) in LISTS and other.status_code == 200:
        assert OWN[1] not in other.text
        assert OWN[1] in own.text
    else:
        assert other.status_code in (403, 404), other.text
