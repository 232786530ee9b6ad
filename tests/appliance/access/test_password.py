"""What may be a password, and how it is kept."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.pwhash import argon2id

from appliance.access.password import (
    MODERATE,
    SHORTEST,
    Cost,
    cost_of,
    hashed,
    is_behind,
    is_password,
    require_good,
)
from appliance.errors import AdministratorRefused, StateDamaged
from tests.appliance.access.administered import CHEAP


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "elevenchars",
        "password1234",
        "P@ssw0rd2026!",
        "qwertzuiop12",
        "Welcome2026!!",
        "changeme-changeme",
        "admin.admin.2026",
        "123456789012",
        "aaaaaaaaaaaaaaaa",
        "abababababababab",
        "iloveyou iloveyou",
        "annas garden gate",
        "A.N.N.A. at the gate",
        "x" * 2000,
    ],
)
def test_what_is_guessed_first_is_no_password(password: str) -> None:
    with pytest.raises(AdministratorRefused) as caught:
        require_good(password, "anna")
    assert password not in f"{caught.value} {caught.value.remedy}"


@pytest.mark.parametrize(
    "password", ["four words quite apart", "correct horse battery", "Zwölf Boxkämpfer jagen", "k9#vQ2!mZx7L"]
)
def test_what_is_long_and_nobodys_first_guess_is_one(password: str) -> None:
    require_good(password, "anna")


def test_its_hash_is_argon2id_with_the_parameters_in_it() -> None:
    stored = hashed("four words quite apart", CHEAP)
    assert stored.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert cost_of(stored) == CHEAP
    assert stored != hashed("four words quite apart", CHEAP)
    assert is_password(stored, "four words quite apart")
    assert not is_password(stored, "four words quite apart ")


def test_the_cost_is_libsodiums_moderate_one() -> None:
    assert Cost(argon2id.OPSLIMIT_MODERATE, argon2id.MEMLIMIT_MODERATE) == MODERATE
    assert MODERATE.memory == 256 * 1024 * 1024


def test_a_hash_that_was_made_with_less_is_behind() -> None:
    stored = hashed("four words quite apart", CHEAP)
    assert not is_behind(stored, CHEAP)
    assert is_behind(stored, Cost(2, 8192))
    assert is_behind(stored, Cost(1, 16384))


def test_the_same_characters_are_the_same_password_however_they_were_composed() -> None:
    assert is_password(hashed("Zw\u00f6lf Boxk\u00e4mpfer", CHEAP), "Zwo\u0308lf Boxka\u0308mpfer")


@pytest.mark.parametrize(
    "stored",
    ["", "plain", "$argon2i$v=19$m=8,t=1,p=1$x", "$argon2id$v=19$m=8,t=1,p=1$", "$argon2id$v=19$m=8,t=1,p=1$ü"],
)
def test_a_damaged_hash_opens_for_nobody(stored: str) -> None:
    try:
        assert not is_password(stored, "four words quite apart")
    except StateDamaged:
        return


@settings(max_examples=60)
@given(st.text(max_size=40))
def test_any_text_is_judged_and_hashed(password: str) -> None:
    try:
        require_good(password, "anna")
    except AdministratorRefused:
        return
    assert len(password) >= SHORTEST // 4  # one sign may stand for several after normalisation
    assert is_password(hashed(password, CHEAP), password)
