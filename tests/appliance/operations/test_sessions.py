"""What a session is worth: how it ends, and what ends it."""

from __future__ import annotations

import base64
from datetime import timedelta
from ipaddress import ip_network

import pytest

from appliance.access import sessions
from appliance.access.attempts import Origin
from appliance.access.authorise import Permission, Scope
from appliance.access.roles import Granted
from appliance.access.sessions import AT_MOST, IDLE
from appliance.access.sessions import LONGEST as LONGEST_SESSION
from appliance.errors import AdministratorRefused, NotSignedIn, SignInRefused
from appliance.operations.administrators import (
    Enrolment,
    disable_administrator,
    enable_administrator,
    list_sessions,
    renew_totp,
    reset_administrator,
    revoke_role,
)
from appliance.operations.roles import limit_role
from appliance.operations.sign_in import Credentials, change_own_password, sign_out, who_calls
from appliance.state.site import Site
from tests.appliance.access.administered import (
    CHEAP,
    DESK,
    ELSEWHERE,
    PASSWORD,
    acting,
    acts,
    code_of,
    drawn,
    let_in,
    make,
    try_in,
)
from tests.appliance.papers import NOW, entropy

STEP = timedelta(seconds=30)


def test_a_session_ends_by_itself(site: Site, anna: Enrolment) -> None:
    idle = let_in(site, anna, NOW)
    who_calls(site, idle.token, DESK, NOW + IDLE - timedelta(seconds=1))
    with pytest.raises(NotSignedIn):
        who_calls(site, idle.token, DESK, NOW + 2 * IDLE)
    busy, now = let_in(site, anna, NOW + 3 * IDLE), NOW + 3 * IDLE
    ends = now + LONGEST_SESSION
    while now + timedelta(minutes=20) < ends:
        now += timedelta(minutes=20)
        who_calls(site, busy.token, DESK, now)
    with pytest.raises(NotSignedIn):
        who_calls(site, busy.token, DESK, ends)
    assert acts(site, "session.end") == [f"{each.session.id} of anna" for each in (idle, busy)]


def test_a_clock_that_is_put_back_ends_a_session(site: Site, anna: Enrolment) -> None:
    opened = let_in(site, anna, NOW)
    with pytest.raises(NotSignedIn):
        who_calls(site, opened.token, DESK, NOW - timedelta(hours=1))
    with pytest.raises(NotSignedIn):
        who_calls(site, opened.token, DESK, NOW)


def test_a_session_goes_on_from_another_address(site: Site, anna: Enrolment) -> None:
    opened = let_in(site, anna, NOW)
    assert who_calls(site, opened.token, ELSEWHERE, NOW).principal.source == "192.0.2.66"


def test_each_sign_in_has_a_token_of_its_own_and_none_can_be_planted(site: Site, anna: Enrolment) -> None:
    first, second = let_in(site, anna, NOW), let_in(site, anna, NOW + STEP)
    assert first.token != second.token
    with pytest.raises(NotSignedIn):
        who_calls(site, sessions.PREFIX + base64.urlsafe_b64encode(entropy("planted", 32)).decode(), DESK, NOW)
    stored = site.database.execute("SELECT hash FROM sessions").fetchone()[0]
    for guess in (stored.hex(), sessions.PREFIX + stored.hex(), first.session.id, "", "aot_", "Bearer"):
        with pytest.raises(NotSignedIn):
            who_calls(site, guess, DESK, NOW)


def test_whoever_signs_out_takes_only_their_session(site: Site, anna: Enrolment) -> None:
    first, second = let_in(site, anna, NOW), let_in(site, anna, NOW + STEP)
    assert sign_out(acting(site, first.principal), first.session.id, NOW + STEP)
    assert not sign_out(acting(site, first.principal), first.session.id, NOW + STEP)
    with pytest.raises(NotSignedIn):
        who_calls(site, first.token, DESK, NOW + STEP)
    who_calls(site, second.token, DESK, NOW + STEP)


def test_there_are_only_so_many_sessions_of_one_administrator(site: Site, anna: Enrolment) -> None:
    opened = [let_in(site, anna, NOW + number * STEP) for number in range(AT_MOST + 2)]
    now = NOW + (AT_MOST + 2) * STEP
    assert [each.id for each in list_sessions(site, now)] == [each.session.id for each in opened[2:]]


def test_whatever_changes_who_somebody_is_ends_their_sessions(site: Site, anna: Enrolment) -> None:
    now = NOW
    make(site, "bea")
    other = let_in(site, make(site, "cleo"), now)

    def signed_in(made: Enrolment, password: str = PASSWORD) -> str:
        return try_in(site, "anna", password, code_of(made, now), now).token

    def ended(token: str) -> bool:
        who_calls(site, other.token, DESK, now)  # somebody else's goes on
        with pytest.raises(NotSignedIn):
            who_calls(site, token, DESK, now)
        return True

    token = signed_in(anna)
    disable_administrator(site, "anna", now)
    assert ended(token)
    enable_administrator(site, "anna", now)
    assert ended(token)
    now += STEP
    token = signed_in(anna)
    now += STEP
    given = Credentials("anna", PASSWORD, code_of(anna, now))
    change_own_password(site, given, "five other words for it", DESK, now, cost=CHEAP)
    assert ended(token)
    now += STEP
    token = signed_in(anna, "five other words for it")
    again = renew_totp(site, "anna", now, random=drawn("again"))
    assert ended(token)
    now += STEP
    token = signed_in(again, "five other words for it")
    reset_administrator(site, "anna", PASSWORD, now, random=drawn("reset"), cost=CHEAP)
    assert ended(token)


def test_changing_ones_password_takes_the_old_one_and_a_code(site: Site, anna: Enrolment) -> None:
    new = "five other words for it"
    for given in (Credentials("anna", "wrong", code_of(anna, NOW)), Credentials("anna", PASSWORD, "000000")):
        with pytest.raises(SignInRefused):
            change_own_password(site, given, new, DESK, NOW, cost=CHEAP)
    right = Credentials("anna", PASSWORD, code_of(anna, NOW))
    for bad in ("password1234", "anna is my own name", PASSWORD):
        with pytest.raises(AdministratorRefused):
            change_own_password(site, right, bad, DESK, NOW, cost=CHEAP)
    change_own_password(site, right, new, DESK, NOW, cost=CHEAP)
    try_in(site, "anna", new, code_of(anna, NOW + STEP), NOW + STEP)


def test_a_role_that_is_taken_is_gone_with_the_next_call(site: Site, anna: Enrolment) -> None:
    bea = make(site, "bea", "team-lead", Scope("bank", "cards"))
    opened = let_in(site, bea, NOW)
    assert opened.principal.may(Permission.KEYS_WRITE, Scope("bank", "cards"))
    revoke_role(site, "bea", Granted("team-lead", Scope("bank", "cards")), NOW)
    assert not who_calls(site, opened.token, DESK, NOW).principal.grants


def test_a_role_may_be_used_only_from_its_networks(site: Site, anna: Enrolment) -> None:
    opened = let_in(site, anna, NOW)
    limit_role(site, "site-admin", (ip_network("10.0.0.0/24"),), NOW)
    assert who_calls(site, opened.token, DESK, NOW).principal.may(Permission.HOST_WRITE)
    for origin in (ELSEWHERE, Origin("unix socket")):
        assert not who_calls(site, opened.token, origin, NOW).principal.grants
    limit_role(site, "site-admin", None, NOW)
    assert who_calls(site, opened.token, ELSEWHERE, NOW).principal.may(Permission.HOST_WRITE)
