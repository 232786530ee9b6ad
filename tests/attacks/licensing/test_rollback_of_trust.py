"""Tries: bringing back version 1 of the trust after version 2, to revive a revoked key.

Meets: `serial_refused`.
"""

from __future__ import annotations

from licensing.trust import advance
from tests.attacks.licensing.hostile import meets, trust_file
from tests.licensing.documents import trust


def test_an_older_version_is_refused() -> None:
    with meets("serial_refused"):
        advance(trust(serial=2), trust_file("root-1", "root-2", serial=1))
