"""Tries: pinning a trust document that a single root key of the real one signed.

Meets: `signature_refused`.
"""

from __future__ import annotations

from licensing.trust import pin
from tests.attacks.licensing.hostile import meets, trust_file


def test_one_key_pins_nothing() -> None:
    with meets("signature_refused"):
        pin(trust_file("root-1"))


def test_enough_keys_do() -> None:
    assert pin(trust_file("root-1", "root-2")).claims.serial == 1
