"""Tries: booting again and again under a wild clock, to raise the floor by each boot's allowance.

Meets: A hundred boots cost a hundred allowances of four minutes, against the host's own owner.
"""

from __future__ import annotations

from licensing.clock import BOOT_ALLOWANCE, observe_boot
from tests.appliance.papers import NOW
from tests.attacks.licensing.clocks import DECADES, FLOOR


def test_a_hundred_boots_under_a_wild_clock_cost_a_hundred_allowances() -> None:
    """Root wins here a little: a boot every minute makes time run four times too fast, against the host's owner."""
    floor = FLOOR
    for _ in range(100):
        floor = observe_boot(floor, NOW + DECADES)
    assert floor.at == NOW + 100 * BOOT_ALLOWANCE
