"""How fast a deployment has been: the 95th percentile of the last calls within a sliding window."""

from __future__ import annotations

from collections import deque

SAMPLES = 256
ENOUGH = 5
"""With fewer samples nothing is said: a deployment that nobody has tried yet is not held to be slow."""
_FRESH_SECONDS = 1.0


class Latency:
    """Bounded: the last SAMPLES calls at most. Computed at most once a second, since a decision must cost little."""

    __slots__ = ("_computed", "_known", "_samples", "window_seconds")

    def __init__(self, window_seconds: float) -> None:
        self.window_seconds = window_seconds
        self._samples: deque[tuple[float, float]] = deque(maxlen=SAMPLES)
        self._known: float | None = None
        self._computed = float("-inf")

    def took(self, seconds: float, now: float) -> None:
        self._samples.append((now, seconds))
        if len(self._samples) <= ENOUGH:
            self._computed = float("-inf")

    def assume(self, p95: float | None, now: float) -> None:
        """Takes another's word for it; of two, the slower is believed."""
        self._known = max((each for each in (p95, self.p95(now)) if each is not None), default=None)
        self._computed = now

    def p95(self, now: float) -> float | None:
        """In seconds, or None where too little is known."""
        if now - self._computed >= _FRESH_SECONDS:
            self._known, self._computed = self._percentile(now), now
        return self._known

    def _percentile(self, now: float) -> float | None:
        while self._samples and self._samples[0][0] <= now - self.window_seconds:
            self._samples.popleft()
        count = len(self._samples)
        if count < ENOUGH:
            return None
        # The nearest rank: the smallest value that at least 95 % of the samples do not exceed.
        return sorted(seconds for _, seconds in self._samples)[-(-count * 95 // 100) - 1]
