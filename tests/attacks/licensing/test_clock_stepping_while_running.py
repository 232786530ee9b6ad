"""Tries: swinging the clock to and fro while the gateway runs, or slowing it by many small steps.

Meets: The floor rises no faster than time and never falls; each step of more than half a minute is recorded and told
in the next usage file.
"""

from __future__ import annotations

from datetime import timedelta

from appliance.operations.usage import seal_now
from appliance.state.site import Site
from licensing.clock import Step
from licensing.usage import open_usage
from tests.appliance.papers import NOW
from tests.attacks.licensing.clocks import DECADES, FLOOR, HONEST, looks, run


def test_an_honest_clock_raises_the_floor_with_it() -> None:
    floor, steps = run(FLOOR, looks(*[HONEST] * 61))
    assert (floor.at, steps) == (NOW + timedelta(hours=1), [])


def test_a_clock_slowed_by_many_small_steps_is_recorded_or_gains_nothing_worth_it() -> None:
    """29 seconds a minute stays below what is recorded; the floor then follows the slow clock, and never falls."""
    slow = [timedelta(seconds=-29 * n) for n in range(61)]
    floor, steps = run(FLOOR, looks(*slow))
    assert steps == []
    assert floor.at == NOW + timedelta(minutes=60) - timedelta(seconds=29 * 60)


def test_a_clock_swung_to_and_fro_raises_the_floor_no_faster_than_time() -> None:
    swing = [DECADES if n % 2 else -DECADES for n in range(200)]
    floor, steps = run(FLOOR, looks(*swing))
    assert FLOOR.at <= floor.at <= NOW + timedelta(minutes=200)
    assert len(steps) == 199


def test_steps_while_running_are_told_in_the_next_file(site: Site) -> None:
    site.record_step(Step(NOW + timedelta(minutes=5), -86_400))
    sealed = seal_now(site, NOW + timedelta(hours=1))[-1]
    told = open_usage(sealed.data, site.key.public_key).claims.clock.steps
    assert [(step.at, step.seconds) for step in told] == [(NOW + timedelta(minutes=5), -86_400)]
