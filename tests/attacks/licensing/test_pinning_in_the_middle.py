"""Tries: pinning a later version of the trust, past a revocation.

Meets: `serial_refused`.
"""

from __future__ import annotations

from licensing.trust import pin
from tests.attacks.licensing.hostile import meets, trust_file


def test_only_version_one_is_pinned() -> None:
    with meets("serial_refused"):
        pin(trust_file("root-1", "root-2", serial=7))
