"""An act is allowed only by a grant that names it, within the grant's scope."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.access.authorise import SITE, Grant, Permission, Principal, Scope, authorise, host_principal
from appliance.errors import NotPermitted

ORGS, TEAMS = ("hospital", "bank"), ("ward-3", "ward-4")
SCOPES = st.one_of(
    st.just(SITE),
    st.builds(Scope, st.sampled_from(ORGS)),
    st.builds(Scope, st.sampled_from(ORGS), st.sampled_from(TEAMS)),
)
GRANTS = st.builds(Grant, st.frozensets(st.sampled_from(Permission), max_size=4), SCOPES)


@given(st.lists(GRANTS, max_size=4), st.sampled_from(Permission), SCOPES)
def test_nothing_is_allowed_that_no_single_grant_allows(grants: list[Grant], asked: Permission, about: Scope) -> None:
    allowed = any(
        asked in grant.permissions
        and grant.within in (SITE, Scope(about.org), about)
        and (grant.within.org is None or about.org is not None)
        for grant in grants
    )
    principal = Principal("ada", tuple(grants))
    assert principal.may(asked, about) == allowed
    if allowed:
        authorise(principal, asked, about)
    else:
        with pytest.raises(NotPermitted):
            authorise(principal, asked, about)


def test_a_refusal_names_who_what_and_where() -> None:
    with pytest.raises(NotPermitted, match=r"ada may not do this: it needs keys.write for the team bank/ward-3"):
        authorise(Principal("ada", ()), Permission.KEYS_WRITE, Scope("bank", "ward-3"))


def test_a_grant_for_a_team_is_none_for_its_org() -> None:
    lead = Principal("lea", (Grant(frozenset({Permission.KEYS_WRITE}), Scope("bank", "ward-3")),))
    assert lead.may(Permission.KEYS_WRITE, Scope("bank", "ward-3"))
    assert not lead.may(Permission.KEYS_WRITE, Scope("bank"))
    assert not lead.may(Permission.KEYS_WRITE)
    assert lead.scopes(Permission.KEYS_WRITE) == (Scope("bank", "ward-3"),)


def test_the_hosts_console_may_do_everything() -> None:
    assert all(host_principal("root").may(each) for each in Permission)


def test_a_team_without_an_org_is_no_scope() -> None:
    with pytest.raises(ValueError, match="org"):
        Scope(None, "ward-3")
