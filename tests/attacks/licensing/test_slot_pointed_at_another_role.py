"""Tries: pointing the licence's slot at a document of another role.

Meets: `licence_unreadable`.
"""

from __future__ import annotations

from appliance.state.site import Site
from tests.appliance.operations.test_life_papers import refusal_of
from tests.attacks.licensing.tampered import edit


def test_pointing_a_slot_at_a_document_of_another_role_serves_nothing(site: Site) -> None:
    edit(site, "UPDATE in_force SET role = 'config' WHERE slot = 'licence'")
    assert refusal_of(site) == "licence_unreadable"
