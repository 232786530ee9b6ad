"""What each role may do, in its own team and in others': the matrix is generated from the tables of roles, permissions
and operations, and held against the operations themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import product

import pytest

from appliance.access.account import Moment
from appliance.access.authorise import SITE, Grant, Permission, Principal, Scope
from appliance.access.kept_caps import Place
from appliance.access.roles import BUILT_IN, SITE_ADMIN, Granted, Role, complete, grants_of, new_role, require_grantable
from appliance.errors import KeyUnknown, NotPermitted, RoleRefused, TeamUnknown
from appliance.operations import administrators, keys, service_tokens, teams
from appliance.state.database import transaction
from appliance.state.site import Site
from tests.appliance.access.administered import CHEAP, PASSWORD, acting, drawn
from tests.appliance.papers import NOW, entropy
from tests.appliance.sites import make_site

OWN, SAME_ORG, OTHER_ORG = Scope("bank", "cards"), Scope("bank", "loans"), Scope("shop", "cards")
PLACES = (OWN, SAME_ORG, OTHER_ORG)
GRANTED_WITHIN = (SITE, Scope("bank"), OWN)
GIVEN = [
    (role, within)
    for role, within in product(BUILT_IN.values(), GRANTED_WITHIN)
    if not role.site_only or within == SITE
]


@dataclass(frozen=True)
class Tried:
    """An operation on a team's things: what it needs, and where (the team itself, its org, or the site)."""

    name: str
    permission: Permission
    where: Callable[[Scope], Scope]
    act: Callable[[Site, Scope], object]


def _itself(scope: Scope) -> Scope:
    return scope


def _org(scope: Scope) -> Scope:
    return Scope(scope.org)


def _key(scope: Scope) -> str:
    return f"key-{scope.org}-{scope.team}"


def _create_key(site: Site, scope: Scope) -> object:
    org, team = scope.org or "", scope.team or ""
    return keys.create_key(site, name="new", org=org, team=team, expires_at=None, now=NOW, entropy=entropy("new", 32))


def _account(site: Site, scope: Scope) -> str:
    found = site.database.execute("SELECT account FROM api_keys WHERE name = ?", (_key(scope),)).fetchone()
    return str(found[0])


BOOT = bytes(16)
OPERATIONS = (
    Tried("create a key", Permission.KEYS_WRITE, _itself, _create_key),
    Tried("see a key", Permission.KEYS_READ, _itself, lambda site, scope: keys.find_key(site, _key(scope))),
    Tried(
        "pause a key", Permission.KEYS_WRITE, _itself, lambda site, scope: keys.pause_key(site, _key(scope), "x", NOW)
    ),
    Tried("revoke a key", Permission.KEYS_WRITE, _itself, lambda site, scope: keys.revoke_key(site, _key(scope), NOW)),
    Tried(
        "rotate a key",
        Permission.KEYS_WRITE,
        _itself,
        lambda site, scope: keys.rotate_key(site, _key(scope), NOW, NOW, entropy("rotated", 32)),
    ),
    Tried(
        "change a key",
        Permission.KEYS_WRITE,
        _itself,
        lambda site, scope: keys.change_key(site, _key(scope), NOW, models=("a",)),
    ),
    Tried(
        "cap a key",
        Permission.CAPS_WRITE,
        _itself,
        lambda site, scope: teams.limit(site, Place("key", account=_account(site, scope)), {"rpm": 5}, NOW),
    ),
    Tried(
        "see a team's use",
        Permission.TEAMS_READ,
        _itself,
        lambda site, scope: teams.uses_of(
            site, teams.place_of_team(site, scope.org or "", scope.team or "", None), BOOT, Moment(1.0, NOW.timestamp())
        ),
    ),
    Tried(
        "cap a team",
        Permission.CAPS_WRITE,
        _org,
        lambda site, scope: teams.limit(site, Place("team", scope.org or "", scope.team or ""), {"rpm": 5}, NOW),
    ),
    Tried(
        "cap an org",
        Permission.CAPS_WRITE,
        lambda _: SITE,
        lambda site, scope: teams.limit(site, Place("org", scope.org or ""), {"rpm": 5}, NOW),
    ),
    Tried(
        "make a team",
        Permission.TEAMS_WRITE,
        _org,
        lambda site, scope: teams.make_team(site, scope.org or "", "x", NOW),
    ),
    Tried("make an org", Permission.TEAMS_WRITE, lambda _: SITE, lambda site, _: teams.make_team(site, "x", "", NOW)),
    Tried(
        "make a viewer",
        Permission.ADMINISTRATORS_WRITE,
        _itself,
        lambda site, scope: administrators.create_administrator(
            site, "vera", PASSWORD, [Granted("viewer", scope)], NOW, random=drawn("vera"), cost=CHEAP
        ),
    ),
    Tried(
        "make a token",
        Permission.ADMINISTRATORS_WRITE,
        _itself,
        lambda site, scope: service_tokens.create_token(
            site, "ci", [Permission.KEYS_READ], NOW, within=scope, random=drawn("ci")
        ),
    ),
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with closing(make_site(tmp_path_factory.mktemp("roles") / "state")) as made:
        for place in PLACES:
            keys.create_key(
                made,
                name=_key(place),
                org=place.org or "",
                team=place.team or "",
                expires_at=None,
                now=NOW,
                entropy=entropy(_key(place), 32),
            )
        yield made


class _Undo(Exception):
    pass


@contextmanager
def undone(site: Site) -> Iterator[None]:
    """Whatever is done within is as if it had not been."""
    try:
        with transaction(site.database):
            yield
            raise _Undo
    except _Undo:
        return


@pytest.mark.parametrize("place", PLACES, ids=str)
@pytest.mark.parametrize(("role", "within"), GIVEN, ids=lambda each: getattr(each, "name", None) or str(each))
def test_a_role_does_what_it_holds_within_its_scope_and_nothing_else(
    site: Site, role: Role, within: Scope, place: Scope
) -> None:
    own = acting(site, Principal("admin:anna", grants_of([Granted(role.name, within)], {})))
    for each in OPERATIONS:
        allowed = each.permission in role.permissions and within.covers(each.where(place))
        try:
            with undone(site):
                each.act(own, place)
            done = True
        except (NotPermitted, KeyUnknown, TeamUnknown):
            done = False
        assert done == allowed, f"{each.name} at {place} as {role.name} of {within}"


@pytest.mark.parametrize(("role", "within"), GIVEN, ids=lambda each: getattr(each, "name", None) or str(each))
def test_lists_show_what_lies_within_and_nothing_else(site: Site, role: Role, within: Scope) -> None:
    own = acting(site, Principal("admin:anna", grants_of([Granted(role.name, within)], {})))
    assert {each.name for each in keys.list_keys(own)} == {_key(each) for each in PLACES if within.covers(each)}
    assert {(each.org, each.name) for each in teams.list_teams(own)} == {
        (each.org, each.team) for each in PLACES if within.covers(each)
    }
    assert {each.org for each in teams.list_orgs(own)} == {
        each.org for each in PLACES if within.covers(Scope(each.org))
    }


@pytest.mark.parametrize("permission", Permission)
@pytest.mark.parametrize(("role", "within"), GIVEN, ids=lambda each: getattr(each, "name", None) or str(each))
def test_the_matrix_of_roles_and_permissions(role: Role, within: Scope, permission: Permission) -> None:
    principal = Principal("admin:anna", grants_of([Granted(role.name, within)], {}))
    for place in (SITE, Scope("bank"), Scope("shop"), *PLACES):
        assert principal.may(permission, place) == (permission in role.permissions and within.covers(place))


def test_the_roles_are_the_reviewed_ones() -> None:
    """What each may do, to be read by a person: who changes a role changes this."""
    writes = {
        name: " ".join(sorted(each.value for each in role.permissions if each.value.endswith(".write")))
        for name, role in BUILT_IN.items()
    }
    assert BUILT_IN[SITE_ADMIN.name].permissions == frozenset(Permission)
    del writes[SITE_ADMIN.name]
    assert writes == {
        "security-officer": "anomaly.write",
        "org-admin": "administrators.write anomaly.write caps.write keys.write teams.write",
        "team-lead": "anomaly.write caps.write keys.write",
        "developer": "keys.write",
        "viewer": "",
    }
    reads = {each for each in Permission if each.value.endswith(".read")}
    assert reads <= BUILT_IN["security-officer"].permissions
    assert BUILT_IN["viewer"].permissions == {
        Permission.KEYS_READ,
        Permission.TEAMS_READ,
        Permission.USAGE_READ,
        Permission.ANOMALY_READ,
    }
    assert all(role.permissions == complete(role.permissions) for role in BUILT_IN.values())


def test_a_key_moves_only_for_who_may_at_both_ends(site: Site) -> None:
    held = frozenset({Permission.KEYS_READ, Permission.KEYS_WRITE})

    def move(*within: Scope) -> None:
        mover = acting(site, Principal("admin:anna", tuple(Grant(held, each) for each in within)))
        with undone(site):
            keys.change_key(mover, _key(OWN), NOW, org=OTHER_ORG.org, team=OTHER_ORG.team)

    move(OWN, OTHER_ORG)
    with pytest.raises(NotPermitted):
        move(OWN, SAME_ORG)
    with pytest.raises(KeyUnknown):
        move(OTHER_ORG)


def test_who_makes_keys_in_a_team_does_not_make_the_team(site: Site) -> None:
    held = frozenset({Permission.KEYS_WRITE})
    maker = acting(site, Principal("admin:anna", (Grant(held, Scope("bank")),)))
    with pytest.raises(NotPermitted, match=r"teams\.write"):
        _create_key(maker, Scope("bank", "brand-new"))


def test_a_key_of_another_team_is_not_there_nor_its_name_taken_for_two(site: Site) -> None:
    with undone(site):
        for place in PLACES:
            keys.create_key(
                site,
                name="twin",
                org=place.org or "",
                team=place.team or "",
                expires_at=None,
                now=NOW,
                entropy=entropy(f"twin {place}", 32),
            )
        lead = acting(site, Principal("admin:lea", grants_of([Granted("team-lead", OWN)], {})))
        assert keys.find_key(lead, "twin").team == OWN.team
        with pytest.raises(KeyUnknown):
            keys.find_key(lead, _key(SAME_ORG))


@pytest.mark.parametrize("name", [*BUILT_IN, "", "A", "x" * 41, "with space", "ümlaut"])
def test_a_role_of_ones_own_has_a_name_of_its_own(name: str) -> None:
    with pytest.raises(RoleRefused):
        new_role(name, "", [Permission.AUDIT_READ])


def test_who_may_change_may_look() -> None:
    role = new_role("key-maker", "", [Permission.KEYS_WRITE, Permission.CAPS_WRITE])
    assert role.permissions == {Permission.KEYS_WRITE, Permission.KEYS_READ, Permission.CAPS_WRITE}
    with pytest.raises(RoleRefused):
        new_role("nothing", "", [])


def test_a_role_for_the_whole_site_is_granted_for_nothing_less() -> None:
    with pytest.raises(RoleRefused):
        require_grantable(SITE_ADMIN, Scope("bank"))
    require_grantable(SITE_ADMIN, SITE)


def test_a_role_that_is_known_no_more_allows_nothing() -> None:
    assert grants_of([Granted("of-a-later-release")], {}) == ()
