"""An upstream that asks to be left alone is understood, in each way in which it may say so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.gateway.retry_after import LONGEST_SECONDS, seconds_of

DATE = "Sat, 28 Nov 2026 10:00:00 GMT"
AT = 1_795_860_000.0


@pytest.mark.parametrize(
    ("written", "date", "seconds"),
    [
        (None, DATE, None),
        ("7", DATE, 7),
        ("0", None, 0),
        ("Sat, 28 Nov 2026 10:00:30 GMT", DATE, 30),
        ("Saturday, 28-Nov-26 10:00:30 GMT", DATE, 30),
        ("Sat Nov 28 10:00:30 2026", DATE, 30),
        ("Sat, 28 Nov 2026 09:00:00 GMT", DATE, 0),
        ("Sat, 28 Nov 2026 10:01:00 GMT", None, 60),
        ("Sat, 28 Nov 2026 10:01:00 GMT", "no date", 60),
        ("999999999999", DATE, LONGEST_SECONDS),
        ("Sat, 28 Nov 2099 10:00:00 GMT", DATE, LONGEST_SECONDS),
        ("-1", DATE, None),
        ("1.5", DATE, None),
        ("٣", DATE, None),
        ("never", DATE, None),
        ("", DATE, None),
    ],
)
def test_what_is_asked_for(written: str | None, date: str | None, seconds: int | None) -> None:
    assert seconds_of(written, date, AT) == seconds


@given(st.text(max_size=60), st.none() | st.text(max_size=60))
def test_whatever_is_written_it_is_a_wait_or_none(written: str, date: str | None) -> None:
    found = seconds_of(written, date, AT)
    assert found is None or 0 <= found <= LONGEST_SECONDS
