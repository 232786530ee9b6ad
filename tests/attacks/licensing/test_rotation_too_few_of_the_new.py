"""Tries: a next version in which the old roots name new ones who never signed, or of whom too few did: a successor
that may be nobody's.

Meets: `signature_refused`.
"""

from __future__ import annotations

import pytest

from licensing.trust import advance
from tests.attacks.licensing.hostile import NEW_ROOTS, TRUST, meets, trust_file


@pytest.mark.parametrize("new", [(), ("root-7",)], ids=["none of them", "one of two"])
def test_roots_who_did_not_sign_are_not_taken_on(new: tuple[str, ...]) -> None:
    with meets("signature_refused"):
        advance(TRUST, trust_file("root-1", "root-2", *new, serial=2, role_keys=NEW_ROOTS, epochs={"root": 2}))
