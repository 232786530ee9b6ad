"""Sockets that lie in the state folder, reached however deep that lies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def reaching(folder: Path, name: str) -> Iterator[str]:
    """A path to the socket that fits the 108 bytes of a socket's address (unix(7)). Raises OSError."""
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{handle}/{name}"
    finally:
        os.close(handle)
