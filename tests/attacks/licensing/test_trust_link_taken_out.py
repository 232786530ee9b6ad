"""Tries: deleting a version of the trust from the database: one in the middle, or the last, to revive a retired key.

Meets: `state_damaged` for one in the middle. Root wins with the last: the chain is whole, only shorter; bringing it
again ends that, and meanwhile no thief's paper comes in.
"""

from __future__ import annotations

from typing import Any

import pytest

from appliance.operations.licence import standing
from appliance.state.site import Site
from licensing.errors import Refusal
from tests.appliance.operations.test_life_papers import follow, refusal_of, roles
from tests.appliance.papers import NOW
from tests.appliance.sites import put_licence
from tests.attacks.licensing.tampered import edit


def test_a_link_taken_out_breaks_the_chain(site: Site) -> None:
    follow(site, 2)
    follow(site, 3)
    edit(site, "DELETE FROM documents WHERE role = 'root' AND serial = 2")
    with pytest.raises(Refusal) as caught:
        standing(site, NOW)
    assert caught.value.code == "state_damaged"


def test_root_wins_the_last_step_of_the_trust_taken_out_revives_a_retired_key(site: Site) -> None:
    """The chain is whole, only shorter. Bringing the step again ends it; a thief's papers stay out meanwhile."""
    step: dict[str, Any] = {"role_keys": roles(licence=("licence-7",)), "epochs": {"licence": 2}}
    follow(site, 2, **step)
    assert refusal_of(site) == "licence_unreadable"
    edit(site, "DELETE FROM documents WHERE role = 'root' AND serial = 2")
    with pytest.raises(Refusal):
        put_licence(site, signer="thief", serial=9)
    follow(site, 2, **step)
    assert refusal_of(site) == "licence_unreadable"
