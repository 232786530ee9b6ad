"""Tries: lowering the time floor in the database, to pass with an old clock.

Meets: The licence's own dates still hold at both ends: `clock_untrusted`, `licence_not_yet_valid`, `licence_expired`.
"""

from __future__ import annotations

from datetime import timedelta

from appliance.state.site import Site
from tests.appliance.operations.test_life_papers import refusal_of
from tests.appliance.papers import NOW
from tests.attacks.licensing.tampered import edit


def test_root_wins_a_floor_lowered_by_hand_lets_an_old_clock_pass(site: Site) -> None:
    """And no further: the dates of the licence itself still hold, at both ends."""
    edit(site, "UPDATE time_floor SET at = '2026-01-01T00:00:00Z'")
    assert refusal_of(site, NOW - timedelta(days=30)) in {"clock_untrusted", "licence_not_yet_valid"}
    assert refusal_of(site, NOW + timedelta(days=400)) == "licence_expired"
