"""Tries: so many empty signatures that the genuine ones do not come up, or that verifying takes long.

Meets: `document_malformed`.
"""

from __future__ import annotations

from licensing.envelope import Signature
from tests.attacks.licensing.hostile import FIRST, SECOND, config_of, meets, open_config


def test_there_is_a_most() -> None:
    with meets("document_malformed"):
        open_config(config_of(*[Signature("", b"")] * 40, FIRST, SECOND))


def test_below_it_the_genuine_ones_are_found() -> None:
    open_config(config_of(*[Signature(FIRST.keyid, bytes(64))] * 30, FIRST, SECOND))
