"""Caps as values: what is written is what is read, and amounts are exact."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.access.caps import COUNTED, LARGEST, NO_CAPS, Caps, amount, changed, cost_in, from_text, to_text
from appliance.access.keys import CHANNELS, networks_in
from licensing.errors import Refusal

NUMBERS = st.none() | st.integers(1, LARGEST)
PATTERNS = st.lists(st.text("abc*?-", min_size=1, max_size=9), min_size=1, max_size=3, unique=True).map(tuple)
CAPS = st.builds(
    Caps,
    **dict.fromkeys(COUNTED, NUMBERS),
    models=st.none()
    | st.lists(st.text("abc*?-", min_size=1, max_size=9), min_size=1, max_size=3, unique=True).map(tuple),
    networks=st.none() | st.sampled_from([networks_in(["10.0.0.0/8"]), networks_in(["::1/128", "192.0.2.0/24"])]),
    channels=st.none() | st.lists(st.sampled_from(CHANNELS), min_size=1, max_size=3, unique=True).map(tuple),
    expires_at=st.none() | st.integers(0, 10**9).map(lambda s: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=s)),
)


@given(CAPS)
def test_caps_that_are_kept_are_read_again_as_they_were(caps: Caps) -> None:
    assert from_text(to_text(caps)) == caps


@given(st.integers(1, LARGEST))
def test_an_amount_is_told_exactly(millionths: int) -> None:
    assert cost_in(amount(millionths)) == millionths


@pytest.mark.parametrize("text", ["", "x", "-1", "0", "nan", "inf", "1e99", "12,50", "0.0000001"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(Refusal):
        cost_in(text)


@pytest.mark.parametrize("new", [{"rpm": 0}, {"tpm": -1}, {"concurrent": LARGEST + 1}, {"channels": ("test",)}])
def test_what_is_no_cap_is_refused(new: dict[str, Any]) -> None:
    with pytest.raises(Refusal):
        changed(NO_CAPS, new)


def test_no_caps_say_so() -> None:
    assert (NO_CAPS.counts, NO_CAPS.narrows, NO_CAPS.budgets, to_text(NO_CAPS)) == (False, False, False, "{}")
