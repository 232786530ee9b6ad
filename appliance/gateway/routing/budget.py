"""How much may be retried: a share of recent calls, so that a fault does not bring more load by its own remedy."""

from __future__ import annotations

_MOST = 10.0


class Budget:
    """Each call puts in its share, each retry takes one out. Starts full, holds no more than _MOST."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = _MOST

    def called(self, percent: float) -> None:
        self._held = min(_MOST, self._held + percent / 100)

    def take(self) -> bool:
        if self._held < 1.0:
            return False
        self._held -= 1.0
        return True
