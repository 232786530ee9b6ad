"""Tries: changing one byte of the licence in the database.

Meets: `licence_unreadable`.
"""

from __future__ import annotations

import pytest

from appliance.state.site import Site
from tests.appliance.operations.test_life_papers import refusal_of
from tests.attacks.licensing.tampered import put_bytes


@pytest.mark.parametrize("position", [40, -40])
def test_one_byte_of_the_licence_changed_makes_it_unreadable(site: Site, position: int) -> None:
    data = bytearray(site.document("licence") or b"")
    data[position] ^= 1
    put_bytes(site, "licence", bytes(data))
    assert refusal_of(site) == "licence_unreadable"
