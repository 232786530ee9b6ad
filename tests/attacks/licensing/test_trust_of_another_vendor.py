"""Tries: replacing the pinned trust in the database by another vendor's, whole in itself, and a licence that follows
from it.

Meets: `state_damaged`.
"""

from __future__ import annotations

import pytest

from appliance.operations.licence import standing
from appliance.state.site import Site
from licensing.errors import Refusal
from tests.appliance.papers import NOW
from tests.attacks.licensing.tampered import edit, own_licence, put_bytes
from tests.licensing.documents import ROLE_KEYS, keys, signed, trust_members


def test_the_trust_of_another_vendor_is_not_the_one_that_was_pinned(site: Site) -> None:
    """Whole in itself, with the same names and epochs; every paper would follow from it."""
    theirs = {role: (f"evil-{role}",) for role in ROLE_KEYS}
    members = trust_members(role_keys=theirs, thresholds=dict.fromkeys(theirs, 1))
    edit(site, "UPDATE documents SET bytes = ? WHERE role = 'root'", signed("trust", members, *keys("evil-root")))
    put_bytes(site, "licence", own_licence(site, signer="evil-licence"))
    with pytest.raises(Refusal) as caught:
        standing(site, NOW)
    assert caught.value.code == "state_damaged"
