"""Tries: a version of the trust far ahead, so that no honest one can ever follow.

Meets: `serial_refused`.
"""

from __future__ import annotations

import pytest

from licensing.trust import advance
from tests.attacks.licensing.hostile import TRUST, meets, trust_file


@pytest.mark.parametrize("serial", [3, 99_999, 2**62])
def test_versions_rise_by_one(serial: int) -> None:
    with meets("serial_refused"):
        advance(TRUST, trust_file("root-1", "root-2", serial=serial))
