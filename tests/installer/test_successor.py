"""Which release may follow which."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from installer.errors import UpgradeRefused
from installer.successor import Schemas, order, require_schema_forward, require_upgrade, require_way_back

VERSIONS = st.tuples(*[st.integers(0, 300)] * 3).map(lambda parts: ".".join(map(str, parts)))


@given(VERSIONS, VERSIONS)
def test_an_upgrade_goes_up(one: str, other: str) -> None:
    numbers = [tuple(map(int, each.split("."))) for each in (one, other)]
    if numbers[1] > numbers[0]:
        require_upgrade(one, other, "0.0.0")
    else:
        with pytest.raises(UpgradeRefused):
            require_upgrade(one, other, "0.0.0")


def test_numbers_are_numbers_and_a_candidate_comes_before_what_it_is_one_for() -> None:
    assert order("1.9.0") < order("1.10.0-rc1") < order("1.10.0")


def test_the_oldest_version_that_can_be_followed_is_asked_for() -> None:
    require_upgrade("1.2.0", "2.0.0", "1.2.0")
    with pytest.raises(UpgradeRefused, match=r"1\.2\.0 or newer; 1\.1\.9") as refused:
        require_upgrade("1.1.9", "2.0.0", "1.2.0")
    assert "Upgrade to 1.2.0 first" in refused.value.remedy


def test_a_release_that_could_not_read_the_state_is_refused_with_both_schemas() -> None:
    require_schema_forward(None, "2.0.0", 1)
    require_schema_forward(7, "2.0.0", 7)
    with pytest.raises(UpgradeRefused, match=r"schema 8; release 2\.0\.0 knows no more than 7"):
        require_schema_forward(8, "2.0.0", 7)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 20))
def test_going_back_needs_a_state_that_the_older_release_can_be_told(state: int, returns_to: int, older: int) -> None:
    running = Schemas(max(state, returns_to), returns_to)
    if state > older and returns_to > older:
        with pytest.raises(UpgradeRefused, match=f"schema {state}.*return to is {returns_to}"):
            require_way_back(state, running, "1.0.0", older)
    else:
        require_way_back(state, running, "1.0.0", older)


def test_what_is_no_version_is_refused() -> None:
    with pytest.raises(UpgradeRefused, match="no version"):
        order("latest")
