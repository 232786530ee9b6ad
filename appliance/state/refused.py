"""Refused calls of known keys, on their way from the workers to the books: a folder of small files, one a worker.

They are no record: who is refused is not billed, and what a dying worker had not handed over yet is lost with it. A
worker writes its file only when the one before has been fetched, and counts until then, within bounds. The request
path pays for it on refusals only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec

KINDS = 2000
"""Different refusals that one worker counts at once; of more it keeps none."""

_LIMIT_BYTES = 1024 * 1024
_SUFFIX = ".refused"


class Refused(msgspec.Struct, frozen=True):
    """So many of the same. `at`: about when, in milliseconds since 1970."""

    key: str
    source: str
    code: str
    throttled: bool
    count: int
    at: int


_reader = msgspec.json.Decoder(list[Refused])


class RefusedCalls:
    """A worker's own."""

    def __init__(self, state: Path, tag: str) -> None:
        self._file = state / "refused" / f"{tag}{_SUFFIX}"
        self._counts: dict[tuple[str, str, str, bool], int] = {}

    def note(self, key: str, source: str, code: str, *, throttled: bool) -> None:
        kind = (key, source, code, throttled)
        if kind in self._counts or len(self._counts) < KINDS:
            self._counts[kind] = self._counts.get(kind, 0) + 1

    def hand_over(self, now: datetime) -> None:
        """Writes what was counted, where the last file has been fetched. A full disk keeps nobody."""
        if not self._counts or self._file.exists():
            return
        at = int(now.timestamp() * 1000)
        found = [Refused(*kind, count, at) for kind, count in self._counts.items()]
        with suppress(OSError):
            self._file.parent.mkdir(mode=0o700, exist_ok=True)
            fresh = self._file.with_suffix(".new")
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(msgspec.json.encode(found))
            fresh.replace(self._file)
            self._counts.clear()


def fetch(state: Path) -> Iterator[Refused]:
    """Takes what the workers have handed over; a file that is none is dropped."""
    try:
        files = [each for each in (state / "refused").iterdir() if each.suffix == _SUFFIX]
    except OSError:
        return
    for file in files:
        with suppress(OSError, msgspec.DecodeError):
            with file.open("rb") as stream:
                data = stream.read(_LIMIT_BYTES + 1)
            file.unlink()
            if len(data) <= _LIMIT_BYTES:
                yield from _reader.decode(data)
