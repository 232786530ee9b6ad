"""What only a worker sees: answers that never reach the journal, attempts that failed, exchanges that are open.

Kept by prometheus_client in mapped files, one set a process, so that the sum over workers is right and a worker's death
takes nothing away. They lie in memory (/dev/shm): on a disk that is full, touching a new page of a mapped file ends the
process. The folder is emptied at start, named in PROMETHEUS_MULTIPROC_DIR before a worker exists, and gone at the end.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from prometheus_client import CollectorRegistry, Counter, Gauge, multiprocess

from appliance.errors import StateUnwritable
from appliance.observe.names import LABEL_SETS, METRICS, OTHER

IN_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder made in it is checked to be ours
VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's own name for it."""


class WorkerCounts:
    """One per worker process. A gauge shows what living workers say, summed."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._refusals = _counter("ao_refusals_total", registry)
        self._quota_refusals = _counter("ao_quota_refusals_total", registry)
        self._upstream_errors = _counter("ao_upstream_errors_total", registry)
        self._open = _gauge("ao_exchanges_open", registry)
        self._resting = _gauge("ao_deployment_resting", registry)
        self._waiting = _gauge("ao_queue_depth", registry)
        self._seen: dict[str, set[tuple[str, ...]]] = {}
        self._shown: dict[str, frozenset[str]] = {}

    def refused(self, code: str, status: int) -> None:
        self._refusals.labels(*self._kept("refusals", code, str(status))).inc()

    def capped(self, tier: str, limit: str) -> None:
        self._quota_refusals.labels(tier, limit).inc()

    def upstream_failed(self, deployment: str, code: str) -> None:
        self._upstream_errors.labels(*self._kept("upstream", deployment, code)).inc()

    def show(
        self, *, exchanges_open: int, resting: Iterable[str] = (), waiting: Mapping[str, int] = MappingProxyType({})
    ) -> None:
        """The state of this moment: which deployments this worker leaves alone, how many calls wait for which."""
        self._open.set(exchanges_open)
        self._show_each(self._resting, "resting", dict.fromkeys(resting, 1))
        self._show_each(self._waiting, "waiting", waiting)

    def _show_each(self, gauge: Gauge, metric: str, values: Mapping[str, int]) -> None:
        gone = self._shown.get(metric, frozenset()) - values.keys()
        for deployment, value in [*values.items(), *((each, 0) for each in gone)]:
            gauge.labels(*self._kept(metric, deployment)).set(value)
        self._shown[metric] = frozenset(values)

    def _kept(self, metric: str, *labels: str) -> tuple[str, ...]:
        seen = self._seen.setdefault(metric, set())
        if labels in seen or len(seen) < LABEL_SETS:
            seen.add(labels)
            return labels
        return (OTHER,) * len(labels)


def empty_folder(state: Path) -> Path:
    """The folder of the mapped files for the site in a state folder, with nothing of an earlier run in it.

    Raises StateUnwritable where no folder of ours can be made.
    """
    name = f"ao-metrics-{os.getuid()}-{hashlib.sha256(os.fsencode(state)).hexdigest()[:16]}"
    for parent in (IN_MEMORY, state):
        with suppress(OSError):
            folder = parent / name
            folder.mkdir(mode=0o700, exist_ok=True)
            if _is_ours(folder):
                for file in folder.glob("*.db"):
                    file.unlink(missing_ok=True)
                return folder
    raise StateUnwritable("No folder for metrics can be made.", where=str(state))


def remove_folder(folder: Path) -> None:
    """When no process maps its files any more: memory that nobody would give back before the host's next start."""
    shutil.rmtree(folder, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    """A folder of this name that somebody else made in a place that is everybody's, or a link, is not used."""
    facts = folder.lstat()
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid() and not facts.st_mode & 0o077


def forget_the_dead(folder: Path) -> None:
    """Takes away the gauges of workers that are no more; what they counted stays."""
    for file in folder.glob("gauge_live*_*.db"):
        pid = file.stem.rpartition("_")[2]
        if pid.isdigit() and not Path("/proc", pid).exists():
            multiprocess.mark_process_dead(int(pid), path=os.fspath(folder))  # type: ignore[no-untyped-call]  # untyped there


def _counter(name: str, registry: CollectorRegistry) -> Counter:
    metric = METRICS[name]
    return Counter(name.removesuffix("_total"), metric.help, metric.labels, registry=registry)


def _gauge(name: str, registry: CollectorRegistry) -> Gauge:
    metric = METRICS[name]
    return Gauge(name, metric.help, metric.labels, registry=registry, multiprocess_mode="livesum")
