"""Tries: listing the thief's key in a trust document under the id of a licence key.

Meets: `document_malformed`.
"""

from __future__ import annotations

from licensing.trust import pin
from tests.attacks.licensing.hostile import THIEF, meets
from tests.licensing.documents import key, keys, signed, trust_members


def test_it_is_no_trust_document() -> None:
    members = trust_members()
    members["keys"][key("licence-1").keyid] = trust_members(role_keys={"root": ("thief",)})["keys"][THIEF.keyid]
    with meets("document_malformed"):
        pin(signed("trust", members, *keys("root-1", "root-2")))
