"""Tries: a time floor in the database that is no time, or none at all.

Meets: `state_damaged`: a refusal, never a fault and never a site without a floor.
"""

from __future__ import annotations

import pytest

from appliance.operations.licence import standing
from appliance.state.site import Site
from licensing.errors import Refusal
from tests.appliance.papers import NOW
from tests.attacks.licensing.tampered import edit


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-24", "1969-12-31T23:59:59Z", "9999-01-01T00:00:00Z"])
def test_a_floor_that_is_no_time_is_a_refusal_and_never_a_fault(site: Site, text: str) -> None:
    edit(site, "UPDATE time_floor SET at = ?", text)
    with pytest.raises(Refusal) as caught:
        standing(site, NOW)
    assert caught.value.code == "state_damaged"


def test_a_floor_that_was_deleted_is_a_refusal_and_never_a_fault(site: Site) -> None:
    edit(site, "DELETE FROM time_floor")
    with pytest.raises(Refusal) as caught:
        standing(site, NOW)
    assert caught.value.code == "state_damaged"
