"""What is counted from entries: exact sums, bounded labels."""

from __future__ import annotations

import re

from prometheus_client import CollectorRegistry, generate_latest

from appliance.ledger.entry import Outcome
from appliance.observe.names import LABEL_SETS, METRICS
from appliance.observe.tally import Tally
from tests.appliance.entries import entry


def shown(tally: Tally) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(tally)
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_each_entry_is_counted_once_with_its_tokens_and_times() -> None:
    tally = Tally()
    tally.add([entry("1"), entry("2", latency_ms=700, first_token_ms=None)])
    tally.add([entry("3", outcome=Outcome.UPSTREAM_FAILED, prompt_tokens=0, completion_tokens=0, cached_tokens=0)])
    seen = shown(tally)
    call = 'model="chat",outcome="{}",provider="demo"'
    common = 'deployment="chat#0",endpoint="chat/completions",'
    assert seen["ao_requests_total{" + common + call.format("complete") + "}"] == 2
    assert seen["ao_requests_total{" + common + call.format("upstream_failed") + "}"] == 1
    assert seen['ao_tokens_total{kind="prompt",model="chat"}'] == 22
    assert seen['ao_request_duration_seconds_bucket{le="0.25",model="chat"}'] == 2
    assert seen['ao_request_duration_seconds_bucket{le="0.5",model="chat"}'] == 2
    assert seen['ao_request_duration_seconds_bucket{le="+Inf",model="chat"}'] == 3
    assert seen['ao_request_duration_seconds_sum{model="chat"}'] == 1.2
    assert seen['ao_time_to_first_token_seconds_count{model="chat"}'] == 2


def test_beyond_the_limit_of_label_sets_the_rest_is_other_and_the_sum_stays_right() -> None:
    tally = Tally()
    tally.add(entry(str(number), model=f"model-{number}") for number in range(LABEL_SETS + 50))
    counted = {name: value for name, value in shown(tally).items() if name.startswith("ao_requests_total")}
    assert len(counted) == LABEL_SETS + 1
    assert sum(counted.values()) == LABEL_SETS + 50
    other = next(value for name, value in counted.items() if 'model="other"' in name)
    assert other == 50


def test_every_metric_has_a_name_that_says_its_unit_or_that_it_is_a_count() -> None:
    for metric in METRICS.values():
        assert re.fullmatch(r"ao_[a-z_]+", metric.name)
        assert (metric.kind == "counter") == metric.name.endswith("_total")
        assert metric.help.endswith(".")
