"""Signing in: with password and code, once each; refused, held back, told; and what a session is worth."""

from __future__ import annotations

import base64
import fcntl
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest

import appliance.operations.sign_in as module
from appliance.access import attempts, sessions
from appliance.access.attempts import BUCKETS, Origin
from appliance.access.authorise import Permission, Scope
from appliance.access.backoff import FREE, LONGEST
from appliance.access.password import Cost, cost_of, hashed
from appliance.access.roles import Granted
from appliance.access.sessions import AT_MOST, IDLE
from appliance.access.sessions import LONGEST as LONGEST_SESSION
from appliance.errors import AdministratorRefused, NotPermitted, NotSignedIn, SignInHeldBack, SignInRefused
from appliance.observe.refused_sign_ins import AN_HOUR
from appliance.operations.administrators import (
    Enrolment,
    disable_administrator,
    enable_administrator,
    list_sessions,
    renew_totp,
    reset_administrator,
    revoke_role,
)
from appliance.operations.audit import read_trail, verify_trail
from appliance.operations.roles import limit_role
from appliance.operations.service_tokens import create_token, revoke_token
from appliance.operations.sign_in import Credentials, change_own_password, sign_out, who_calls
from appliance.state.site import Site, open_site
from licensing.errors import Refusal
from tests.appliance.access.administered import (
    CHEAP,
    DESK,
    ELSEWHERE,
    PASSWORD,
    acting,
    code_of,
    drawn,
    let_in,
    make,
    try_in,
)
from tests.appliance.papers import NOW, entropy
from tests.appliance.sites import make_site

STEP = timedelta(seconds=30)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with closing(make_site(tmp_path / "state")) as made:
        yield made


@pytest.fixture
def anna(site: Site) -> Enrolment:
    return make(site)


def acts(site: Site, act: str) -> list[str]:
    return [each.subject for each in read_trail(site) if each.act == act]


def test_name_password_and_code_open_a_session_that_says_who_calls(site: Site, anna: Enrolment) -> None:
    opened = let_in(site, anna, NOW)
    called = who_calls(site, opened.token, DESK, NOW)
    assert called.principal == opened.principal
    assert (called.principal.name, called.principal.source) == ("admin:anna", "10.0.0.1")
    assert not called.principal.at_host
    assert called.credential == opened.session.id
    assert called.principal.may(Permission.HOST_WRITE)
    entry = next(each for each in read_trail(site) if each.act == "login")
    assert (entry.who, entry.subject, entry.detail["from"]) == ("admin:anna", opened.session.id, "10.0.0.1")


def test_the_token_is_kept_as_a_keyed_hash_and_told_nowhere(site: Site, anna: Enrolment) -> None:
    opened = let_in(site, anna, NOW)
    told = b"".join(file.read_bytes() for file in site.folder.rglob("*") if file.is_file())
    secrets = [opened.token, anna.secret, PASSWORD, *anna.recovery_codes]
    secrets += [each.replace("-", "") for each in anna.recovery_codes]
    for each in secrets:
        assert each.encode() not in told
    assert base64.b32decode(anna.secret) not in told
    assert opened.token not in repr(opened)
    assert anna.secret not in repr(anna)


@pytest.mark.parametrize("wrong", ["name", "password", "code", "disabled", "empty"])
def test_a_refusal_says_the_same_whatever_was_wrong(site: Site, anna: Enrolment, wrong: str) -> None:
    if wrong == "disabled":
        make(site, "bea")
        disable_administrator(site, "anna", NOW)
    given = {"name": "anna", "password": PASSWORD, "code": code_of(anna, NOW)}
    given |= {"name": {"name": "nobody"}, "empty": {"password": ""}}.get(wrong, {wrong: "wrong"})
    with pytest.raises(SignInRefused) as caught:
        try_in(site, given["name"], given["password"], given["code"], NOW)
    assert str(caught.value) == "The name, the password or the code is not right."
    assert list_sessions(site, NOW) == []


def test_a_code_opens_once(site: Site, anna: Enrolment) -> None:
    code = code_of(anna, NOW)
    try_in(site, "anna", PASSWORD, code, NOW)
    with pytest.raises(SignInRefused):
        try_in(site, "anna", PASSWORD, code, NOW)
    let_in(site, anna, NOW + STEP)


def test_of_two_calls_with_one_code_at_once_one_is_let_in(site: Site, anna: Enrolment) -> None:
    """One from where anna has been before, one from elsewhere: they are looked at beside each other."""
    let_in(site, anna, NOW)
    later, together = NOW + STEP, Barrier(2)
    found: list[object] = []

    def run(origin: Origin) -> None:
        with closing(open_site(site.folder)) as own:
            together.wait()
            try:
                found.append(let_in(own, anna, later, origin))
            except Refusal as refusal:
                found.append(refusal)

    threads = [Thread(target=run, args=(origin,)) for origin in (DESK, ELSEWHERE)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(type(each).__name__ for each in found) == ["SignInRefused", "SignedIn"]


def test_a_recovery_code_opens_once_however_it_is_typed(site: Site, anna: Enrolment) -> None:
    first, second = anna.recovery_codes[:2]
    opened = try_in(site, "anna", PASSWORD, first.upper().replace("-", " "), NOW)
    assert opened.codes_left == len(anna.recovery_codes) - 1
    with pytest.raises(SignInRefused):
        try_in(site, "anna", PASSWORD, first, NOW)
    with pytest.raises(SignInRefused):
        try_in(site, "anna", "another password", second, NOW)
    try_in(site, "anna", PASSWORD, second, NOW)  # a wrong password did not use it up


def test_a_recovery_code_ends_what_a_clock_gone_wild_left(site: Site, anna: Enrolment) -> None:
    wild = NOW + timedelta(days=3650)
    let_in(site, anna, wild)
    with pytest.raises(SignInRefused):
        let_in(site, anna, NOW)
    try_in(site, "anna", PASSWORD, anna.recovery_codes[0], NOW + STEP)
    let_in(site, anna, NOW + 4 * STEP)


def test_refused_attempts_hold_the_next_one_back_even_with_the_right_password(site: Site, anna: Enrolment) -> None:
    for _ in range(FREE):
        with pytest.raises(SignInRefused):
            try_in(site, "anna", "wrong", "000000", NOW)
    with pytest.raises(SignInHeldBack) as caught:
        let_in(site, anna, NOW)
    assert caught.value.retry_after == 2
    let_in(site, anna, NOW + timedelta(seconds=2))


def test_what_is_held_back_is_not_counted_so_nobody_prolongs_it_by_trying(site: Site, anna: Enrolment) -> None:
    for _ in range(FREE):
        with pytest.raises(SignInRefused):
            try_in(site, "anna", "wrong", "000000", NOW)
    for _ in range(50):
        with pytest.raises(SignInHeldBack):
            try_in(site, "anna", "wrong", "000000", NOW)
    let_in(site, anna, NOW + timedelta(seconds=2))


@pytest.mark.parametrize("name", ["anna", "nobody-of-that-name"])
def test_known_and_unknown_names_are_held_back_alike(site: Site, anna: Enrolment, name: str) -> None:
    told, now = [], NOW
    for number in range(24):
        # From another place each time, so that it is the name that is counted.
        origin = Origin(f"198.51.100.{number}", ip_address(f"198.51.100.{number}"))
        try:
            try_in(site, name, "wrong", "000000", now, origin)
        except SignInHeldBack as held:
            told.append(held.retry_after)
            now += timedelta(seconds=held.retry_after)
        except SignInRefused:
            told.append(0)
    assert told == [0, 0, 0, 2, 0, 4, 0, 8, 0, 16, 0, 32, 0, 64, 0, 128, 0, 256, 0, 512, 0, 900, 0, 900]


def test_a_stranger_cannot_keep_an_administrator_out_of_where_they_have_been(site: Site, anna: Enrolment) -> None:
    """A day of brute force against the name, from anywhere: anna is let in from her desk all the while."""
    let_in(site, anna, NOW)
    now, tried = NOW + timedelta(seconds=1), 0
    while now < NOW + timedelta(hours=24):
        try:
            try_in(site, "anna", "wrong", "000000", now, ELSEWHERE)
        except SignInHeldBack as held:
            now += timedelta(seconds=held.retry_after)
        except SignInRefused:
            tried += 1
    assert tried < 24 * 3600 / LONGEST.total_seconds() + 15
    let_in(site, anna, now)
    with pytest.raises(SignInRefused):
        try_in(site, "anna", "wrong", "000000", now, ELSEWHERE)
    with pytest.raises(SignInHeldBack):
        try_in(site, "anna", "wrong", "000000", now, ELSEWHERE)


def test_the_hosts_console_ends_what_holds_somebody_back(site: Site, anna: Enrolment) -> None:
    now = NOW
    for _ in range(12):
        try:
            try_in(site, "anna", "wrong", "000000", now)
        except SignInHeldBack as held:
            now += timedelta(seconds=held.retry_after)
        except SignInRefused:
            continue
    with pytest.raises(SignInRefused):
        try_in(site, "anna", "wrong", "000000", now)
    with pytest.raises(SignInHeldBack):
        let_in(site, anna, now)
    again = reset_administrator(site, "anna", "five other words for it", now, random=drawn("again"), cost=CHEAP)
    # The name is free again at once. The place goes on waiting, so that one reset is no leave to guess at others.
    try_in(site, "anna", "five other words for it", code_of(again, now), now, ELSEWHERE)


def test_a_flood_of_made_up_names_and_places_fills_neither_database_nor_trail(site: Site, anna: Enrolment) -> None:
    held = 0
    for number in range(400):
        origin = Origin(f"198.51.{number // 200}.{number % 200}", ip_address(f"198.51.{number // 200}.{number % 200}"))
        try:
            try_in(site, f"made-up-{number}", "my real password!", "000000", NOW + timedelta(seconds=number), origin)
        except (SignInRefused, SignInHeldBack) as refusal:
            held += isinstance(refusal, SignInHeldBack)
    rows = site.database.execute("SELECT COUNT(*) FROM sign_in_failures").fetchone()[0]
    assert rows <= min(2 * BUCKETS, 800)
    told = [each for each in read_trail(site) if each.act in ("login.refused", "login.held")]
    assert len(told) == AN_HOUR
    let_in(site, anna, NOW + timedelta(hours=1))
    last = [each for each in read_trail(site) if each.act == "login.refused"][-1]
    assert last.detail["count"] == 400 - AN_HOUR
    assert "made-up" not in str([each.as_dict() for each in read_trail(site)])  # it may have been a password
    assert verify_trail(site).first_bad is None


def test_addresses_of_one_ipv6_network_are_one_place() -> None:
    places = {Origin(text, ip_address(text)).source for text in ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1")}
    assert places == {"2001:db8::/64", "2001:db8:0:1::/64"}
    assert Origin("x", ip_address("::ffff:10.0.0.1")).source == "10.0.0.1"


def test_one_password_is_hashed_at_a_time(site: Site, anna: Enrolment) -> None:
    let_in(site, anna, NOW)
    with (site.folder / "sign-in.lock").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(SignInHeldBack) as caught:
            try_in(site, "anna", "wrong", "000000", NOW, ELSEWHERE)
        assert caught.value.retry_after == 1
        let_in(site, anna, NOW + STEP)  # from her desk she does not wait for strangers
    assert (site.folder / "sign-in.lock").stat().st_mode & 0o077 == 0


def test_the_same_is_computed_for_a_name_that_nobody_has(
    site: Site, anna: Enrolment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted, not timed: one hash, and of the parameters that a real one has; the codes are compared all the same."""
    stored = site.database.execute("SELECT password FROM administrators").fetchone()[0]
    done: list[tuple[str, Any]] = []

    def counted(name: str) -> None:
        real = getattr(module, name)

        def call(*arguments: Any) -> Any:
            done.append((name, cost_of(arguments[0]) if name == "is_password" else None))
            return real(*arguments)

        monkeypatch.setattr(module, name, call)

    for name in ("is_password", "accepted_step", "hashed"):
        counted(name)
    for name, password in (("anna", "wrong"), ("nobody", "wrong"), ("anna", PASSWORD)):
        done.clear()
        with pytest.raises(SignInRefused):
            try_in(site, name, password, "000000", NOW, Origin(name), cost=Cost(2, 8192))
        assert done == [("is_password", cost_of(stored)), ("accepted_step", None)]


def test_before_there_is_anybody_a_sign_in_costs_a_hash_too(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Cost] = []

    def hashed_once(password: str, cost: Cost) -> str:
        asked.append(cost)
        return hashed(password, cost)

    monkeypatch.setattr(module, "hashed", hashed_once)
    with pytest.raises(SignInRefused):
        try_in(site, "anna", PASSWORD, "000000", NOW)
    assert asked == [CHEAP]


def test_a_password_is_hashed_anew_when_the_parameters_rise(site: Site, anna: Enrolment) -> None:
    def stored() -> str:
        return str(site.database.execute("SELECT password FROM administrators").fetchone()[0])

    higher = Cost(2, 16384)
    with pytest.raises(SignInRefused):
        try_in(site, "anna", "wrong", "000000", NOW, cost=higher)
    assert cost_of(stored()) == CHEAP
    try_in(site, "anna", PASSWORD, code_of(anna, NOW), NOW, cost=higher)
    assert cost_of(stored()) == higher
    try_in(site, "anna", PASSWORD, code_of(anna, NOW + STEP), NOW + STEP, cost=CHEAP)
    assert cost_of(stored()) == higher  # never back


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


def test_attempts_are_forgotten_after_a_day(site: Site) -> None:
    attempts.count(site.database, ("here:anna:x",), NOW)
    attempts.count(site.database, ("here:bea:x",), NOW + timedelta(hours=25))
    assert [row[0] for row in site.database.execute("SELECT bucket FROM sign_in_failures")] == ["here:bea:x"]
