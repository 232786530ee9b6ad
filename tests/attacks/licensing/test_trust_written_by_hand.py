"""Tries: a next version of the trust written into the database, signed by too few, by strangers, or by keys of another
role.

Meets: `state_damaged`.
"""

from __future__ import annotations

import pytest

from appliance.operations.licence import standing
from appliance.state.site import Site
from licensing.errors import Refusal
from tests.appliance.operations.test_life_papers import roles
from tests.appliance.papers import NOW
from tests.attacks.licensing.tampered import edit
from tests.licensing.documents import keys, signed, trust_members


@pytest.mark.parametrize("signers", [("root-1",), ("thief", "thief-2"), ("licence-1", "licence-2")])
def test_a_later_trust_written_by_hand_breaks_the_chain(site: Site, signers: tuple[str, ...]) -> None:
    members = trust_members(serial=2, role_keys=roles(licence=("thief",)), epochs={"licence": 2})
    edit(
        site,
        "INSERT INTO documents VALUES ('root', 1, 2, 'sha256:0', ?, '2026-01-01T00:00:00Z')",
        signed("trust", members, *keys(*signers)),
    )
    with pytest.raises(Refusal) as caught:
        standing(site, NOW)
    assert caught.value.code == "state_damaged"
