"""Refusals that say which file they speak of.

Promise: what a document is refused for is decided without its name; whoever read it from a medium adds the name, and
only where no place is named already.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from licensing.errors import Refusal
from licensing.shown import shown


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """Whatever is refused within, is refused with the file's name."""
    try:
        yield
    except Refusal as refusal:
        refusal.where = refusal.where or shown(str(file))
        raise
