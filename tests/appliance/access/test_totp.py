"""Codes of an authenticator app: the RFC's own vectors, each code once, and one step on either side."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.access.totp import STEP_SECONDS, accepted_step, code_at, shown_secret, step_at, uri

SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_the_vectors_of_rfc_6238(seconds: int, code: str) -> None:
    assert code_at(SECRET, step_at(seconds), digits=8) == code
    assert code_at(SECRET, step_at(seconds)) == code[2:]


@pytest.mark.parametrize(("step", "code"), list(enumerate(["755224", "287082", "359152", "969429", "338314"])))
def test_the_vectors_of_rfc_4226(step: int, code: str) -> None:
    assert code_at(SECRET, step) == code


@given(st.integers(0, 2**33), st.integers(-3, 3))
def test_a_code_opens_in_its_own_step_and_its_neighbours(seconds: int, off: int) -> None:
    step = step_at(seconds) + off
    if step < 0:
        return
    found = accepted_step(SECRET, code_at(SECRET, step), seconds, last_step=-1)
    near = [step_at(seconds) + each for each in (-1, 0, 1)]
    same = [each for each in near if each >= 0 and code_at(SECRET, each) == code_at(SECRET, step)]
    assert found == (same[0] if same else None)
    if abs(off) <= 1:
        assert found is not None


def test_a_step_that_was_used_is_never_accepted_again_nor_one_before_it() -> None:
    now = 1_800_000_000
    step = accepted_step(SECRET, code_at(SECRET, step_at(now)), now, 0)
    assert step == step_at(now)
    assert accepted_step(SECRET, code_at(SECRET, step), now, step) is None
    assert accepted_step(SECRET, code_at(SECRET, step - 1), now, step) is None
    assert accepted_step(SECRET, code_at(SECRET, step + 1), now + STEP_SECONDS, step) == step + 1


@pytest.mark.parametrize(
    "code", ["", "0", "12345", "1234567", "aaaaaa", "１２３４５６", "\udcff", "-12345", "9" * 9999]
)
def test_what_is_no_code_opens_nothing(code: str) -> None:
    assert accepted_step(SECRET, code, 59, 0) is None


def test_an_app_is_told_all_that_it_needs() -> None:
    parts = urlsplit(uri(SECRET, "anna", "acme-berlin"))
    assert (parts.scheme, parts.netloc, parts.path) == ("otpauth", "totp", "/AO%20acme-berlin:anna")
    assert parse_qs(parts.query) == {
        "secret": [shown_secret(SECRET)],
        "issuer": ["AO acme-berlin"],
        "algorithm": ["SHA1"],
        "digits": ["6"],
        "period": ["30"],
    }
    assert shown_secret(SECRET) == "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
