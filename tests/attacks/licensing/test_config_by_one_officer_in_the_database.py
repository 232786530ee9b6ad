"""Tries: writing a config that one officer alone signed into the database, past the import.

Meets: `config_unusable`.
"""

from __future__ import annotations

from appliance.state.site import Site
from tests.appliance.operations.test_life_papers import refusal_of
from tests.appliance.papers import config_bytes
from tests.attacks.licensing.tampered import put_bytes


def test_a_config_by_one_officer_is_no_config(site: Site) -> None:
    put_bytes(site, "config", config_bytes(signers=("officer-1",)))
    assert refusal_of(site) == "config_unusable"
