"""Signing in: with password and code, once each; refused, held back, told."""

from __future__ import annotations

import base64
import fcntl
from contextlib import closing
from datetime import timedelta
from ipaddress import ip_address
from threading import Barrier, Thread
from typing import Any

import pytest

import appliance.operations.sign_in as module
from appliance.access import attempts
from appliance.access.attempts import BUCKETS, Origin
from appliance.access.authorise import Permission
from appliance.access.backoff import FREE, LONGEST
from appliance.access.password import Cost, cost_of, hashed
from appliance.errors import SignInHeldBack, SignInRefused
from appliance.observe.refused_sign_ins import AN_HOUR
from appliance.operations.administrators import (
    Enrolment,
    disable_administrator,
    list_sessions,
    reset_administrator,
)
from appliance.operations.audit import read_trail, verify_trail
from appliance.operations.sign_in import who_calls
from appliance.state.site import Site, open_site
from licensing.errors import Refusal
from tests.appliance.access.administered import (
    CHEAP,
    DESK,
    ELSEWHERE,
    PASSWORD,
    code_of,
    drawn,
    let_in,
    make,
    try_in,
)
from tests.appliance.papers import NOW

STEP = timedelta(seconds=30)


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


def test_attempts_are_forgotten_after_a_day(site: Site) -> None:
    attempts.count(site.database, ("here:anna:x",), NOW)
    attempts.count(site.database, ("here:bea:x",), NOW + timedelta(hours=25))
    assert [row[0] for row in site.database.execute("SELECT bucket FROM sign_in_failures")] == ["here:bea:x"]
