"""How a deployment is, as far as one worker has seen: a circuit that opens and half opens, rests asked for, speed.

The circuit is a state machine of three states, moved by what calls came to and by time, which is an argument:

    closed     ── `failures` in a row ──▶  open
    open       ── the cooldown is over ─▶  half open: one call may try
    half open  ── that call is answered ▶  closed
    half open  ── that call fails ──────▶  open, for twice as long, up to the longest
    half open  ── that call was left ───▶  half open: the next one may try

Beside it, a deployment rests as long as it asked to with `retry-after`, and while probes say that it is down.
"""

from __future__ import annotations

from enum import StrEnum

from appliance.config.policy import CircuitRule, LatencyRule
from appliance.gateway.routing.latency import Latency

LONGEST_REST_SECONDS = 300.0
"""A `retry-after` is believed up to this: one mistaken header must not take a deployment away for a day."""


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half open"


class Condition:
    """One deployment's. `well` is the usual case, for which nothing else need be looked at."""

    __slots__ = (
        "_cooldown",
        "_down_until",
        "_failures",
        "_open_until",
        "_rest_until",
        "_rule",
        "_trying",
        "opened",
        "streamed",
        "well",
        "whole",
    )

    def __init__(self, circuit: CircuitRule, latency: LatencyRule) -> None:
        self._failures = 0
        self._open_until: float | None = None
        self._trying = False
        self._rest_until = self._down_until = float("-inf")
        self.well = True
        self.opened = 0
        self.streamed = Latency(latency.window_seconds)
        self.whole = Latency(latency.window_seconds)
        self._rule = circuit
        self._cooldown = circuit.cooldown_seconds

    def follow(self, circuit: CircuitRule, latency: LatencyRule) -> None:
        """Takes up the rules of another config, and keeps what is known."""
        if circuit != self._rule:
            self._rule, self._cooldown = circuit, circuit.cooldown_seconds
        self.streamed.window_seconds = self.whole.window_seconds = latency.window_seconds

    def state(self, now: float) -> State:
        if self._open_until is None:
            return State.CLOSED
        return State.OPEN if now < self._open_until else State.HALF_OPEN

    def resting(self, now: float) -> str:
        """Why no call should go there now, or an empty string."""
        if self.well:
            return ""
        if now < self._rest_until:
            return "asked to be left alone"
        if now < self._down_until:
            return "down, say the probes"
        if self._open_until is None:
            self.well = True
            return ""
        if now < self._open_until:
            return "circuit open"
        return "being tried by another call" if self._trying else ""

    def rests_for(self, now: float) -> float:
        """Seconds until it may be tried again, as far as is known."""
        return max(0.0, self._rest_until - now, self._down_until - now, (self._open_until or now) - now)

    def begin(self, now: float) -> bool:
        """A call goes there. True where it is the one that tries a half open circuit: it must be told how it ended."""
        if self._open_until is None or now < self._open_until or self._trying:
            return False
        self._trying = True
        return True

    def answered(self) -> None:
        """It answered, be it that the request was the caller's mistake."""
        self._failures = 0
        if self._open_until is not None:
            self._open_until, self._trying = None, False
            self._cooldown = self._rule.cooldown_seconds

    def failed(self, now: float, *, trying: bool) -> None:
        """It did not. Late failures of calls that began before the circuit opened count for nothing."""
        if self._open_until is None:
            self._failures += 1
            if self._failures >= self._rule.failures:
                self._open(now)
        elif trying:
            self._cooldown = min(self._cooldown * 2, self._rule.longest_cooldown_seconds)
            self._open(now)

    def left(self, *, trying: bool) -> None:
        """The call was given up by its caller: nothing is known of how it would have ended."""
        if trying:
            self._trying = False

    def rest(self, seconds: float, now: float) -> None:
        """It asked to be left alone for so long."""
        self._rest_until = max(self._rest_until, now + min(seconds, LONGEST_REST_SECONDS))
        self.well = False

    def probed(self, *, up: bool, until: float) -> None:
        """What a probe found. A bad finding ends by itself, should nobody probe any more."""
        self._down_until = float("-inf") if up else until
        self.well = self.well and up

    def _open(self, now: float) -> None:
        self._open_until, self._trying, self._failures = now + self._cooldown, False, 0
        self.opened += 1
        self.well = False
