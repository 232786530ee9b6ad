"""What is usual for the whole site: which networks and models several keys are used from and for (pure, bounded).

A model that is rolled out to everybody, or a network that everybody moves to, is no sign of a leak. Two other accounts
make something usual.
"""

from __future__ import annotations

from typing import Final

import msgspec

THINGS, ACCOUNTS = 4096, 4
USUAL_FROM: Final = 2


class Surroundings(msgspec.Struct):
    """By name (`n` and a network, `m` and a model) the first few accounts that were met there."""

    seen: dict[str, list[str]] = {}

    def note(self, kind: str, name: str, account: str) -> bool:
        """Whether that was news."""
        if not name:
            return False
        known = self.seen.get(kind + name)
        if known is None:
            if len(self.seen) >= THINGS:
                del self.seen[next(iter(self.seen))]
            known = self.seen[kind + name] = []
        if account in known or len(known) >= ACCOUNTS:
            return False
        known.append(account)
        return True

    def is_usual(self, kind: str, name: str, account: str) -> bool:
        return sum(each != account for each in self.seen.get(kind + name, ())) >= USUAL_FROM
