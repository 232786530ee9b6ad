"""Tries: lines behind END, which an editor shows as part of the file.

Meets: `document_malformed`.
"""

from __future__ import annotations

import pytest

from licensing.envelope import to_clear
from tests.attacks.licensing.hostile import GENUINE_CONFIG, meets, open_config


@pytest.mark.parametrize("tail", [b"debug: true\n", b"\n", b"#\n", b"\x00"])
def test_nothing_may_follow(tail: bytes) -> None:
    with meets("document_malformed"):
        open_config(to_clear(GENUINE_CONFIG) + tail)
