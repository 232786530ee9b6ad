"""A call's stay with one deployment: it takes a place, and in the end gives it back and leaves what it learned."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.gateway.routing.condition import Condition
from appliance.gateway.slots import Slots


@dataclass(slots=True, repr=False)
class Lease:
    """`trying`: this call is the one by which a half open circuit is judged. `slot`: None where there is no limit."""

    condition: Condition
    trying: bool
    slots: Slots
    deployment: str
    slot: int | None

    def answered(self) -> None:
        self.condition.answered()
        self.trying = False

    def failed(self, now: float) -> None:
        self.condition.failed(now, trying=self.trying)
        self.trying = False

    def over(self, *, failed: bool = False, now: float = 0.0) -> None:
        """Gives the place back. A call that told nothing about the deployment leaves it as it was."""
        if failed:
            self.failed(now)
        elif self.trying:
            self.condition.left(trying=True)
        if self.slot is not None:
            slot, self.slot = self.slot, None
            self.slots.give_back(self.deployment, slot)
