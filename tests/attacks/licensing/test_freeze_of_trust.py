"""Tries: showing the version in force again and again instead of the next.

Meets: `serial_refused`: it never passes for news.
"""

from __future__ import annotations

from licensing.trust import advance
from tests.attacks.licensing.hostile import meets, trust_file
from tests.licensing.documents import trust


def test_the_version_in_force_is_not_the_next() -> None:
    with meets("serial_refused"):
        advance(trust(serial=2), trust_file("root-1", "root-2", serial=2))
