"""Tries: turning the clock back to stretch a licence, at once or within the tolerance.

Meets: `clock_untrusted`; the floor stands still, the step is recorded and told, and within the tolerance the later of
clock and floor is judged.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from appliance.operations.licence import standing
from appliance.state.site import Site
from licensing.clock import TimeFloor
from licensing.standing import Rung
from tests.appliance.papers import NOW
from tests.attacks.licensing.clocks import FLOOR, HONEST, looks, needs_faketime, run, status_at


@needs_faketime
def test_the_hosts_status_says_so(tmp_path: Path) -> None:
    code, said = status_at("2026-11-01 12:00:00", tmp_path)
    assert (code, "licence   clock_untrusted:" in said) == (27, True)


def test_a_clock_turned_back_to_stretch_a_licence_stands_still_and_is_recorded() -> None:
    back = timedelta(days=-30)
    floor, steps = run(FLOOR, looks(HONEST, HONEST, *[back] * 100))
    assert floor.at == NOW + timedelta(minutes=1)
    assert [step.seconds for step in steps] == [-30 * 86_400]


def test_a_clock_turned_back_within_the_tolerance_does_not_stretch_a_licence(site: Site) -> None:
    """What is judged is the later of clock and floor."""
    end = NOW + timedelta(days=365 + 14, seconds=300)
    site.raise_time_floor(lambda _: TimeFloor(end, "this host's clock"))
    assert standing(site, end - timedelta(seconds=200)).rung is Rung.EXPIRED
