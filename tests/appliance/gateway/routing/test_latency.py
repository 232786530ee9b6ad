"""The P95 of a sliding window."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from appliance.gateway.routing.latency import ENOUGH, SAMPLES, Latency


@given(st.lists(st.floats(0.001, 60), min_size=ENOUGH, max_size=2 * SAMPLES))
def test_ninety_five_percent_are_no_slower_and_five_are_no_faster(took: list[float]) -> None:
    latency = Latency(60.0)
    for seconds in took:
        latency.took(seconds, 0.0)
    kept = took[-SAMPLES:]
    p95 = latency.p95(10.0)
    assert p95 in kept
    assert p95 is not None
    assert sum(each <= p95 for each in kept) >= 0.95 * len(kept)
    assert sum(each < p95 for each in kept) < math.ceil(0.95 * len(kept))


def test_nothing_is_said_of_few_samples_and_old_ones_are_forgotten() -> None:
    latency = Latency(60.0)
    for _ in range(ENOUGH - 1):
        latency.took(1.0, 0.0)
    assert latency.p95(0.0) is None
    latency.took(1.0, 0.0)
    assert latency.p95(0.0) == 1.0
    assert latency.p95(60.0) is None
    for _ in range(ENOUGH):
        latency.took(0.2, 61.0)
    assert latency.p95(61.0) == 0.2
