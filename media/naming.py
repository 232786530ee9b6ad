"""Refusals that say which file they speak of.

Promise: what a document is refused for is decided without its name; whoever read it from a medium puts the name before
the place within it (line, key).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from licensing.errors import Refusal
from licensing.shown import shown

_LENGTH: Final = 400


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """Whatever is refused within, is refused with the file's name."""
    try:
        yield
    except Refusal as refusal:
        name = shown(str(file), _LENGTH)
        if refusal.where is None or name not in refusal.where:
            refusal.where = f"{name}, {refusal.where}" if refusal.where else name
        raise
