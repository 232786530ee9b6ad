"""Nobody hands on what they do not hold, nor becomes somebody who holds more: whatever they try, in whatever order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.access import administrators as kept
from appliance.access.acting import principal_of
from appliance.access.authorise import SITE, Permission, Principal, Scope
from appliance.access.kept_roles import custom_roles
from appliance.access.roles import BUILT_IN, Granted
from appliance.errors import AdministratorRefused, NotPermitted, RoleRefused, TokenRefused
from appliance.operations.administrators import (
    create_administrator,
    disable_administrator,
    enable_administrator,
    find_administrator,
    grant_role,
    list_administrators,
    remove_administrator,
    renew_totp,
    reset_administrator,
    revoke_role,
)
from appliance.operations.audit import read_trail
from appliance.operations.roles import define_role, limit_role, remove_role
from appliance.operations.service_tokens import create_token, list_tokens, revoke_token
from appliance.operations.sign_in import who_calls
from appliance.state.database import transaction
from appliance.state.site import Site
from licensing.errors import Refusal
from tests.appliance.access.administered import CHEAP, DESK, PASSWORD, acting, drawn, make
from tests.appliance.papers import NOW
from tests.appliance.sites import make_site

SCOPES = (SITE, Scope("bank"), Scope("bank", "cards"), Scope("bank", "loans"), Scope("shop"), Scope("shop", "cards"))
NAMES = ("anna", "bea", "cleo", "dora")
Rights = frozenset[tuple[Permission, Scope]]

names, scopes = st.sampled_from(NAMES), st.sampled_from([SITE, SITE, SITE, *SCOPES])
roles = st.sampled_from([*BUILT_IN, "own-role", "own-role", "own-role", "other-role"])
holding = st.sampled_from(["site-admin", "org-admin", "org-admin", "org-admin", "own-role", "own-role", "viewer"])
permissions = st.lists(st.sampled_from(Permission), min_size=1, max_size=4)


@dataclass(frozen=True)
class Act:
    """Something that `who` tries: on somebody, with a role, within a scope."""

    who: str
    what: str
    whom: str
    role: str
    within: Scope
    permissions: list[Permission]


TO_SOMEBODY = ("reset", "totp", "disable", "enable", "remove")
WHAT = ("grant", "revoke", "create", *TO_SOMEBODY, "define", "undefine", "token", "end")
acts = st.builds(Act, names, st.sampled_from(WHAT), names, roles, scopes, permissions)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with closing(make_site(tmp_path_factory.mktemp("delegation") / "state")) as made:
        yield made


class _Undo(Exception):
    pass


def rights_of(principal: Principal) -> Rights:
    return frozenset((each, scope) for each in Permission for scope in SCOPES if principal.may(each, scope))


def everybodys(site: Site, tokens: list[str]) -> dict[str, Rights]:
    """What every administrator and every token may do now; a disabled one what they would."""
    found = {each.name: rights_of(principal_of(site, each, DESK)) for each in kept.list_all(site.database)}
    for number, token in enumerate(tokens):
        try:
            found[f"token {number}"] = rights_of(who_calls(site, token, DESK, NOW).principal)
        except Refusal:
            found[f"token {number}"] = frozenset()
    return found


def do(site: Site, act: Act, tokens: list[str], number: int) -> None:
    granted, draw = Granted(act.role, act.within), drawn(f"{act} {number}")
    match act.what:
        case "grant":
            grant_role(site, act.whom, granted, NOW)
        case "revoke":
            revoke_role(site, act.whom, granted, NOW)
        case "create":
            create_administrator(site, act.whom, PASSWORD, [granted], NOW, random=draw, cost=CHEAP)
        case "reset":
            reset_administrator(site, act.whom, PASSWORD, NOW, random=draw, cost=CHEAP)
        case "totp":
            renew_totp(site, act.whom, NOW, random=draw)
        case "disable":
            disable_administrator(site, act.whom, NOW)
        case "enable":
            enable_administrator(site, act.whom, NOW)
        case "remove":
            remove_administrator(site, act.whom, NOW)
        case "define":
            define_role(site, act.role, "", act.permissions, NOW)
        case "undefine":
            remove_role(site, act.role, NOW)
        case "token":
            made = create_token(site, f"t{number}", act.permissions, NOW, within=act.within, random=draw)
            tokens.append(made.secret)
        case "end":
            revoke_token(site, f"t{number}", NOW)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.fixed_dictionaries({name: st.lists(st.tuples(holding, scopes), min_size=1, max_size=2) for name in NAMES}),
    permissions,
    st.lists(acts, min_size=1, max_size=12),
)
def test_nobody_gains_by_an_act_what_whoever_did_it_does_not_hold(
    site: Site, people: dict[str, list[tuple[str, Scope]]], own: list[Permission], tried: list[Act]
) -> None:
    try:
        with transaction(site.database):
            define_role(site, "own-role", "", [*own, Permission.ADMINISTRATORS_WRITE], NOW)
            known = custom_roles(site.database)
            for name, held in people.items():
                fit = [
                    Granted(role, SITE if role in BUILT_IN and BUILT_IN[role].site_only else within)
                    for role, within in held
                    if role in known or role in BUILT_IN
                ]
                create_administrator(site, name, PASSWORD, fit, NOW, random=drawn(name), cost=CHEAP)
            tokens: list[str] = []
            for number, act in enumerate(tried):
                _try(site, act, tokens, number)
            raise _Undo
    except _Undo:
        return


def _try(site: Site, act: Act, tokens: list[str], number: int) -> None:
    doer = next((each for each in kept.list_all(site.database) if each.name == act.who), None)
    if doer is None or doer.disabled_at is not None:
        return
    by = principal_of(site, doer, DESK)
    before = everybodys(site, tokens)
    try:
        do(acting(site, by), act, tokens, number)
    except Refusal:
        assert everybodys(site, tokens) == before
        return
    assert (Permission.ADMINISTRATORS_WRITE, SITE) in before[act.who] or act.what not in ("define", "undefine")
    for name, now_held in everybodys(site, tokens).items():
        gained = now_held - before.get(name, frozenset())
        assert gained <= before[act.who], f"{act}: {name} gained more than {act.who} holds"
    if act.what in TO_SOMEBODY:
        assert before[act.whom] <= before[act.who], f"{act}: {act.whom} holds more than {act.who}"


@pytest.fixture
def fresh(tmp_path: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with closing(make_site(tmp_path_factory.mktemp("fresh") / "state")) as made:
        yield made


def test_who_administers_roles_puts_nothing_into_one_that_they_do_not_hold(fresh: Site) -> None:
    define_role(fresh, "role-keeper", "", [Permission.ADMINISTRATORS_WRITE], NOW)
    made = make(fresh, "anna", "role-keeper").administrator
    anna = acting(fresh, principal_of(fresh, made, DESK))
    for name in ("role-keeper", "new-role"):
        with pytest.raises(NotPermitted, match=r"host\.write"):
            define_role(anna, name, "", [Permission.HOST_WRITE], NOW)
    define_role(fresh, "more", "", [Permission.AUDIT_READ], NOW)
    for act in (
        lambda: define_role(anna, "more", "", [Permission.ADMINISTRATORS_READ], NOW),
        lambda: remove_role(anna, "more", NOW),
        lambda: limit_role(anna, "more", None, NOW),
        lambda: grant_role(anna, "anna", Granted("more"), NOW),
        lambda: create_token(anna, "ci", [Permission.AUDIT_READ], NOW),
    ):
        with pytest.raises(NotPermitted, match=r"audit\.read"):
            act()


def test_the_last_site_admin_goes_only_at_the_hosts_console(fresh: Site) -> None:
    anna = acting(fresh, principal_of(fresh, make(fresh, "anna").administrator, DESK))
    for last in (
        lambda site: disable_administrator(site, "anna", NOW),
        lambda site: remove_administrator(site, "anna", NOW),
        lambda site: revoke_role(site, "anna", Granted("site-admin"), NOW),
    ):
        with pytest.raises(AdministratorRefused, match="last site admin"):
            last(anna)
    make(fresh, "bea")
    disable_administrator(fresh, "bea", NOW)
    with pytest.raises(AdministratorRefused, match="last site admin"):
        remove_administrator(anna, "anna", NOW)  # one who is disabled is none
    enable_administrator(anna, "bea", NOW)
    disable_administrator(anna, "anna", NOW)
    remove_administrator(fresh, "bea", NOW)
    remove_administrator(fresh, "anna", NOW)
    assert list_administrators(fresh) == []


def test_one_of_an_org_sees_those_of_the_org_and_their_roles_there(fresh: Site) -> None:
    make(fresh, "anna")
    make(fresh, "bea", "org-admin", Scope("bank"))
    cleo = make(fresh, "cleo", "viewer", Scope("bank", "cards")).administrator
    grant_role(fresh, "cleo", Granted("viewer", Scope("shop")), NOW)
    bea = acting(fresh, principal_of(fresh, find_administrator(fresh, "bea"), DESK))
    assert [each.name for each in list_administrators(bea)] == ["bea", "cleo"]
    assert find_administrator(bea, "cleo").roles == cleo.roles
    with pytest.raises(NotPermitted):
        reset_administrator(bea, "cleo", PASSWORD, NOW, cost=CHEAP)  # cleo looks at the shop, bea may not
    with pytest.raises(NotPermitted):
        remove_administrator(bea, "anna", NOW)


def test_a_token_never_administers_administrators(fresh: Site) -> None:
    with pytest.raises(TokenRefused):
        create_token(fresh, "ci", [Permission.ADMINISTRATORS_WRITE], NOW)
    made = create_token(fresh, "ci", [Permission.ADMINISTRATORS_READ], NOW, random=drawn("ci"))
    as_token = acting(fresh, who_calls(fresh, made.secret, DESK, NOW).principal)
    assert [each.name for each in list_tokens(as_token)] == ["ci"]
    with pytest.raises(NotPermitted):
        create_token(as_token, "more", [Permission.ADMINISTRATORS_READ], NOW)
    with pytest.raises(NotPermitted):
        create_administrator(as_token, "mallory", PASSWORD, [], NOW, cost=CHEAP)


def test_a_role_that_somebody_has_stays(fresh: Site) -> None:
    define_role(fresh, "auditor", "Reads the trail", [Permission.AUDIT_READ], NOW)
    make(fresh, "anna", "auditor")
    with pytest.raises(RoleRefused, match="anna"):
        remove_role(fresh, "auditor", NOW)
    remove_administrator(fresh, "anna", NOW)
    remove_role(fresh, "auditor", NOW)
    assert custom_roles(fresh.database) == {}


def test_each_change_is_told_with_what_was_before_and_after(fresh: Site) -> None:
    make(fresh, "anna")
    grant_role(fresh, "anna", Granted("viewer", Scope("bank")), NOW)
    define_role(fresh, "auditor", "", [Permission.AUDIT_READ], NOW)
    define_role(fresh, "auditor", "", [Permission.AUDIT_READ, Permission.USAGE_READ], NOW)
    limit_role(fresh, "auditor", None, NOW)
    token = create_token(fresh, "ci", [Permission.KEYS_READ], NOW, random=drawn("ci"))
    revoke_token(fresh, token.token.id, NOW)
    renew_totp(fresh, "anna", NOW, random=drawn("totp"))
    remove_administrator(fresh, "anna", NOW)
    told = [(each.act, each.before, each.after) for each in read_trail(fresh)][1:]
    assert [act for act, _, _ in told] == [
        "administrator.create",
        "administrator.grant",
        "role.define",
        "role.define",
        "role.limit",
        "token.create",
        "token.revoke",
        "administrator.totp",
        "administrator.remove",
    ]
    by_act = dict.fromkeys(act for act, _, _ in told)
    assert len(by_act) == 8
    assert told[0][1] is None
    assert told[0][2] == told[1][1] != told[1][2]
    assert told[2][1] is None
    assert told[2][2] == told[3][1] != told[3][2]
    assert told[5][2] == told[6][1] != told[6][2]
    assert told[8][2] is None
    assert told[7][2] == told[8][1]
    told_all = str([each.as_dict() for each in read_trail(fresh)])
    assert token.secret not in told_all
