"""Tries: a line between the signed text and its signature block, or the thief's text after the genuine block with that
block copied behind it.

Meets: `signature_refused`.
"""

from __future__ import annotations

from licensing.envelope import BEGIN, to_clear
from tests.attacks.licensing.hostile import GENUINE_CONFIG, meets, open_config
from tests.licensing.documents import CONFIG_TEXT


def test_a_line_before_the_block() -> None:
    with meets("signature_refused"):
        open_config(to_clear(GENUINE_CONFIG).replace(BEGIN, b"debug: true\n" + BEGIN))


def test_a_second_block() -> None:
    whole = to_clear(GENUINE_CONFIG)
    with meets("signature_refused"):
        open_config(whole + b"debug: true\n" + whole.removeprefix(CONFIG_TEXT))
