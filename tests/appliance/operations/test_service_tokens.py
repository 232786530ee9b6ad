"""Service tokens: what they open, from where, until when, and never more than whoever made them may."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

import pytest

from appliance.access.authorise import Permission, Scope
from appliance.access.roles import Granted
from appliance.errors import NotPermitted, NotSignedIn
from appliance.operations.administrators import (
    Enrolment,
    disable_administrator,
    enable_administrator,
    revoke_role,
)
from appliance.operations.roles import limit_role
from appliance.operations.service_tokens import create_token, revoke_token
from appliance.operations.sign_in import who_calls
from appliance.state.site import Site
from tests.appliance.access.administered import (
    DESK,
    ELSEWHERE,
    acting,
    drawn,
    let_in,
    make,
)
from tests.appliance.papers import NOW


def test_a_service_token_opens_what_it_names_from_where_and_until(site: Site) -> None:
    made = create_token(
        site,
        "ci",
        [Permission.KEYS_WRITE],
        NOW,
        within=Scope("bank"),
        networks=(ip_network("10.0.0.0/24"),),
        expires_at=NOW + timedelta(days=1),
        random=drawn("token"),
    )
    called = who_calls(site, made.secret, DESK, NOW)
    assert (called.principal.name, called.credential) == ("token:ci", made.token.id)
    assert called.principal.may(Permission.KEYS_WRITE, Scope("bank", "cards"))
    assert called.principal.may(Permission.KEYS_READ, Scope("bank"))
    assert not called.principal.may(Permission.KEYS_WRITE)
    with pytest.raises(NotPermitted):
        who_calls(site, made.secret, ELSEWHERE, NOW)
    with pytest.raises(NotSignedIn):
        who_calls(site, made.secret, DESK, NOW + timedelta(days=1))
    # The site has seen that day; a clock that is put back does not bring the token back.
    site.raise_time_floor(lambda floor: replace(floor, at=NOW + timedelta(days=2)))
    with pytest.raises(NotSignedIn):
        who_calls(site, made.secret, DESK, NOW)
    assert made.secret not in repr(made)


def test_a_revoked_service_token_opens_nothing_and_its_name_is_free(site: Site) -> None:
    made = create_token(site, "ci", [Permission.KEYS_READ], NOW, random=drawn("one"))
    revoke_token(site, "ci", NOW)
    with pytest.raises(NotSignedIn):
        who_calls(site, made.secret, DESK, NOW)
    again = create_token(site, "ci", [Permission.KEYS_READ], NOW, random=drawn("two"))
    who_calls(site, again.secret, DESK, NOW)


def test_a_token_does_no_more_than_whoever_made_it_may_now(site: Site, anna: Enrolment) -> None:
    bea = make(site, "bea", "org-admin", Scope("bank"))
    as_bea = acting(site, let_in(site, bea, NOW).principal)
    made = create_token(as_bea, "ci", [Permission.KEYS_WRITE], NOW, within=Scope("bank"), random=drawn("token"))
    assert made.token.created_by == "bea"

    def may() -> bool:
        return who_calls(site, made.secret, DESK, NOW).principal.may(Permission.KEYS_WRITE, Scope("bank"))

    assert may()
    limit_role(site, "org-admin", (ip_network("10.20.0.0/16"),), NOW)
    assert not may()  # what their role may not do from there, their token may not either
    limit_role(site, "org-admin", None, NOW)
    assert may()
    disable_administrator(site, "bea", NOW)
    assert not may()
    enable_administrator(site, "bea", NOW)
    assert may()
    revoke_role(site, "bea", Granted("org-admin", Scope("bank")), NOW)
    assert not may()
