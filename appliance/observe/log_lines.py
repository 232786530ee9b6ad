"""How the appliance's processes write to standard error.

Of a fault they tell its type and where it arose, and never its words: those quote what was being worked on, which may
be a prompt, a completion or a key.
"""

from __future__ import annotations

import logging
import traceback
from types import TracebackType

_LINES = "%(asctime)s %(levelname)s %(name)s %(message)s"


class LogLines(logging.Formatter):
    """A formatter for whoever must not repeat what an exception says."""

    def __init__(self) -> None:
        super().__init__(_LINES)

    def formatException(  # noqa: N802 - the name is the standard library's
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        return _without_words(ei[1])


def log_to_standard_error() -> None:
    """From warnings on; what was set up before is left alone."""
    handler = logging.StreamHandler()
    handler.setFormatter(LogLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def _without_words(error: BaseException | None) -> str:
    """The frames of an exception and of those it came from, the first cause first."""
    told: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        frames = "".join(traceback.format_tb(error.__traceback__))
        told.append(f"{frames}{type(error).__module__}.{type(error).__qualname__}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\nwhich led to\n".join(reversed(told))
