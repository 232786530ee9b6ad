"""The site's own state as metrics, as the process that keeps the books last saw it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family

from appliance.observe.names import METRICS
from licensing.clock import TimeFloor
from licensing.standing import Rung, Standing
from licensing.version import __version__


@dataclass(frozen=True, slots=True)
class Seen:
    """`taken_in_at` is monotonic seconds: when the journal was last brought into the ledger."""

    site: str
    standing: Standing
    floor: TimeFloor
    acknowledged_until: datetime
    taken_in_at: float
    clock_steps: int = 0
    certificate_ends: datetime | None = None


class Books:
    """The last look, and the gauges it gives at the time they are asked for."""

    def __init__(self, seen: Seen, *, clock: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._lock = threading.Lock()
        self._seen = seen
        self._clock = clock
        self._monotonic = monotonic

    def saw(self, standing: Standing, floor: TimeFloor, acknowledged_until: datetime, *, stepped: bool) -> None:
        """What the minute's judgement found."""
        with self._lock:
            steps = self._seen.clock_steps + stepped
            self._seen = replace(
                self._seen,
                standing=standing,
                floor=floor,
                acknowledged_until=acknowledged_until,
                clock_steps=steps,
            )

    def took_in(self) -> None:
        with self._lock:
            self._seen = replace(self._seen, taken_in_at=self._monotonic())

    def presents(self, certificate_ends: datetime | None) -> None:
        """Until when the listener's certificates hold; None: it speaks plain HTTP."""
        with self._lock:
            self._seen = replace(self._seen, certificate_ends=certificate_ends)

    def collect(self) -> Iterator[Family]:
        with self._lock:
            seen = self._seen
        now, standing = self._clock(), seen.standing
        yield _gauge("ao_journal_lag_seconds", self._monotonic() - seen.taken_in_at)
        if standing.licence is not None:
            yield _gauge("ao_licence_left_seconds", (standing.licence.expires_at - now).total_seconds())
        rungs = GaugeMetricFamily("ao_licence_rung", METRICS["ao_licence_rung"].help, labels=["rung"])
        for rung in Rung:
            rungs.add_metric([rung.value], rung is standing.rung)
        yield rungs
        yield _gauge("ao_serving", standing.terms.serves)
        yield _gauge("ao_clock_trusted", standing.rung is not Rung.CLOCK_UNTRUSTED)
        yield _gauge("ao_clock_ahead_of_floor_seconds", (now - seen.floor.at).total_seconds())
        steps = METRICS["ao_clock_steps_total"]
        yield CounterMetricFamily(steps.name, steps.help, value=seen.clock_steps)
        yield _gauge("ao_usage_unacknowledged_seconds", (now - seen.acknowledged_until).total_seconds())
        if seen.certificate_ends is not None:
            yield _gauge("ao_tls_certificate_left_seconds", (seen.certificate_ends - now).total_seconds())
        info = METRICS["ao_info"]
        what = GaugeMetricFamily(info.name, info.help, labels=info.labels)
        what.add_metric([__version__, standing.licence.edition if standing.licence else "none", seen.site], 1)
        yield what


def _gauge(name: str, value: float) -> Family:
    return GaugeMetricFamily(name, METRICS[name].help, value=float(value))
