"""Tries: one officer's signature twice, to pass four eyes; the second time under the colleague's key id.

Meets: `signature_refused`.
"""

from __future__ import annotations

from licensing.envelope import Signature
from tests.attacks.licensing.hostile import FIRST, GENUINE_CONFIG, SECOND, config_of, meets, open_config


def test_the_same_twice() -> None:
    with meets("signature_refused"):
        open_config(config_of(FIRST, FIRST))


def test_the_same_under_the_colleagues_id() -> None:
    with meets("signature_refused"):
        open_config(config_of(FIRST, Signature(SECOND.keyid, FIRST.sig)))


def test_two_officers_are_two() -> None:
    open_config(GENUINE_CONFIG)
