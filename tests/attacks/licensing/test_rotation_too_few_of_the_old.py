"""Tries: a next version of the trust that the roots in force did not sign in sufficient number: a thief's own root
key, or one stolen key of the two needed.

Meets: `signature_refused`.
"""

from __future__ import annotations

from licensing.trust import advance
from tests.attacks.licensing.hostile import NEW_ROOTS, ONE_ROOT, THIEVES_ROOT, TRUST, meets, trust_file


def test_a_thief_names_himself() -> None:
    with meets("signature_refused"):
        advance(TRUST, trust_file("thief", serial=2, role_keys=THIEVES_ROOT, thresholds=ONE_ROOT))


def test_one_stolen_root_key_lowers_the_threshold_to_itself() -> None:
    with meets("signature_refused"):
        advance(TRUST, trust_file("root-1", serial=2, thresholds=ONE_ROOT))


def test_the_new_roots_alone() -> None:
    with meets("signature_refused"):
        advance(TRUST, trust_file("root-7", "root-8", serial=2, role_keys=NEW_ROOTS, epochs={"root": 2}))


def test_both_thresholds_are_followed() -> None:
    data = trust_file("root-1", "root-2", "root-7", "root-8", serial=2, role_keys=NEW_ROOTS, epochs={"root": 2})
    assert advance(TRUST, data).claims.serial == 2
