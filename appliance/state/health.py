"""What is known of the deployments, shared between processes: a folder of small files, one a writer.

`<tag>.worker` is written by each worker, `probes` by `ao serve`; `ao status` and `ao route explain` read them. They are
no record: lost, they cost nothing but a moment's knowledge, so nothing waits for a disk. Files of processes that live
no more are passed over. Times are CLOCK_MONOTONIC, which all processes of a host share.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import msgspec

LIMIT_BYTES = 4 * 1024 * 1024
_PROBES = "probes"
_SUFFIX = ".worker"


class Found(msgspec.Struct, frozen=True):
    """A deployment as one worker found it. `resting` says why no call goes there, `until` about when that ends."""

    circuit: str
    resting: str
    until: int
    opened: int
    first_byte_p95_ms: int | None
    whole_p95_ms: int | None


class Probed(msgspec.Struct, frozen=True):
    """What the last probe found; a bad finding counts until `until`. `why` is empty where the deployment is up."""

    up: bool
    until: float
    why: str
    took_ms: int


class _Report(msgspec.Struct, frozen=True):
    pid: int
    found: dict[str, Found] = {}
    probed: dict[str, Probed] = {}


_reader = msgspec.json.Decoder(_Report)


class HealthFolder:
    """The folder `health` of a state folder."""

    def __init__(self, state: Path) -> None:
        self._folder = state / "health"

    def clear(self) -> None:
        """Makes it and empties it: what was known before this start is known no more."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        for file in self._folder.iterdir():
            with suppress(OSError):
                file.unlink()

    def write_worker(self, tag: str, found: dict[str, Found]) -> None:
        self._write(f"{tag}{_SUFFIX}", _Report(os.getpid(), found=found))

    def write_probes(self, probed: dict[str, Probed]) -> None:
        self._write(_PROBES, _Report(os.getpid(), probed=probed))

    def workers(self) -> list[dict[str, Found]]:
        """What each worker that lives has found."""
        try:
            files = sorted(self._folder.glob(f"*{_SUFFIX}"))
        except OSError:
            return []
        return [report.found for file in files if (report := self._read(file)) is not None]

    def probes(self) -> dict[str, Probed]:
        report = self._read(self._folder / _PROBES)
        return report.probed if report is not None else {}

    def _write(self, name: str, report: _Report) -> None:
        """Whole or not at all to whoever reads; failing to tell is no reason to fail."""
        with suppress(OSError):
            fresh = self._folder / f".{name}.{os.getpid()}"
            fresh.write_bytes(msgspec.json.encode(report))
            fresh.replace(self._folder / name)

    def _read(self, file: Path) -> _Report | None:
        try:
            if file.stat().st_size > LIMIT_BYTES:
                return None
            report = _reader.decode(file.read_bytes())
        except (OSError, msgspec.DecodeError):
            return None
        return report if _lives(report.pid) else None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
