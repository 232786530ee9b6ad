"""Tries: downgrade: a key record that asks for the algorithm `none`, or for one that an envelope names itself.

Meets: `algorithm_unknown`; what an envelope names besides is `document_malformed` or decides nothing.
"""

from __future__ import annotations

import pytest

from licensing.trust import pin
from tests.attacks.licensing.hostile import THIEF, around, meets, refuses
from tests.licensing.documents import keys, signed, trust_members


def test_a_key_of_no_algorithm() -> None:
    members = trust_members() | {"keys": {THIEF.keyid: {"algorithm": "none", "public": "AAAA"}}}
    with meets("algorithm_unknown"):
        pin(signed("trust", members, *keys("root-1", "root-2")))


@pytest.mark.parametrize("member", ['"alg":"none",', '"algorithm":"none",'])
def test_an_envelope_that_names_an_algorithm(member: str) -> None:
    refuses(around('"sig":', member + '"sig":'))
