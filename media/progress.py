"""One line that tells a waiting person how far it is: nothing for the first second, and gone at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TextIO

from licensing.shown import shown

SLOW_SECONDS: Final = 1.0
_ERASE: Final = "\r\x1b[K"

Progress = Callable[[int, int, str], None]
"""Told before each file: how many are done, how many there are, the name of the next."""


def untold(_done: int, _all: int, _name: str) -> None:
    """The progress that nobody is told of."""


class ProgressLine:
    """Writes to `stream`, which is a terminal's; None tells nobody. `clock` counts seconds from anywhere."""

    def __init__(self, stream: TextIO | None, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._clock = clock
        self._began = clock()
        self._stands = False

    def __call__(self, done: int, all_: int, name: str) -> None:
        if self._stream is not None and self._clock() - self._began > SLOW_SECONDS:
            self._stream.write(f"{_ERASE}{done} of {all_}: {shown(name, 60)}")
            self._stream.flush()
            self._stands = True

    def clear(self) -> None:
        """Takes the line away, so that something else may be written."""
        if self._stream is not None and self._stands:
            self._stream.write(_ERASE)
            self._stream.flush()
            self._stands = False
