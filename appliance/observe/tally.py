"""Counting admitted calls from the journal's own entries: the figures on a dashboard are those on the bill.

Nothing is counted on the request path. The one process that takes the journal into the ledger hands each entry here
once, so that the sums are exact whatever the number of workers. They start at zero with that process.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family

from appliance.ledger.entry import Entry
from appliance.observe.names import LABEL_SETS, METRICS, OTHER

LATENCY_MS = (25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 120_000, 300_000)
FIRST_TOKEN_MS = (10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000)

Labels = tuple[str, ...]


class _Counts:
    """A counter's values by its labels; beyond LABEL_SETS they go to `other`."""

    def __init__(self, name: str) -> None:
        self._metric = METRICS[name]
        self._values: dict[Labels, int] = {}

    def add(self, labels: Labels, amount: int = 1) -> None:
        kept = _kept(self._values, labels)
        self._values[kept] = self._values.get(kept, 0) + amount

    def family(self) -> Family:
        family = CounterMetricFamily(self._metric.name, self._metric.help, labels=self._metric.labels)
        for labels, value in self._values.items():
            family.add_metric(labels, value)
        return family


class _Durations:
    """A histogram of milliseconds, shown in seconds. The last place counts what is above every bound."""

    def __init__(self, name: str, bounds: Sequence[int]) -> None:
        self._metric = METRICS[name]
        self._bounds = bounds
        self._values: dict[Labels, tuple[list[int], list[int]]] = {}

    def add(self, labels: Labels, milliseconds: int) -> None:
        kept = _kept(self._values, labels)
        counts, total = self._values.setdefault(kept, ([0] * (len(self._bounds) + 1), [0]))
        counts[bisect_left(self._bounds, milliseconds)] += 1
        total[0] += milliseconds

    def family(self) -> Family:
        family = HistogramMetricFamily(self._metric.name, self._metric.help, labels=self._metric.labels)
        names = [*(str(bound / 1000) for bound in self._bounds), "+Inf"]
        for labels, (counts, total) in self._values.items():
            family.add_metric(labels, list(zip(names, accumulate(counts), strict=True)), sum_value=total[0] / 1000)
        return family


class Tally:
    """Entries in, metric families out. May be collected in one thread while another adds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests = _Counts("ao_requests_total")
        self._attempts = _Counts("ao_attempts_total")
        self._tokens = _Counts("ao_tokens_total")
        self._durations = _Durations("ao_request_duration_seconds", LATENCY_MS)
        self._first_tokens = _Durations("ao_time_to_first_token_seconds", FIRST_TOKEN_MS)

    def add(self, entries: Iterable[Entry]) -> None:
        """Counts entries that are in the ledger now."""
        with self._lock:
            for entry in entries:
                self._requests.add((entry.model, entry.endpoint, entry.provider, entry.deployment, str(entry.outcome)))
                self._count_tokens(entry)
                self._durations.add((entry.model,), entry.latency_ms)
                if entry.attempts:
                    self._attempts.add((entry.model,), entry.attempts)
                if entry.first_token_ms is not None:
                    self._first_tokens.add((entry.model,), entry.first_token_ms)

    def _count_tokens(self, entry: Entry) -> None:
        for kind, count in (
            ("prompt", entry.prompt_tokens),
            ("completion", entry.completion_tokens),
            ("cached", entry.cached_tokens),
            ("estimated_prompt", entry.estimated_prompt_tokens),
            ("estimated_completion", entry.estimated_completion_tokens),
        ):
            if count:
                self._tokens.add((entry.model, kind), count)

    def collect(self) -> Iterator[Family]:
        with self._lock:
            counted = (self._requests, self._attempts, self._tokens, self._durations, self._first_tokens)
            families = [each.family() for each in counted]
        yield from families


def _kept(
    values: dict[Labels, object] | dict[Labels, int] | dict[Labels, tuple[list[int], list[int]]], labels: Labels
) -> Labels:
    return labels if labels in values or len(values) < LABEL_SETS else (OTHER,) * len(labels)
