"""The board: a number in shared memory that rises whenever something changed that a worker must know.

A worker looks at it on every request (some 100 ns) and reloads when it has risen; so a key revoked by a command is
refused by the very next request of every worker. It carries no facts, only "look again".
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from pathlib import Path

from appliance.errors import StateUnwritable

_SIZE = 64
_NUMBER = struct.Struct("<Q")


class Board:
    """Opened by every process of the site on the same file."""

    def __init__(self, file: Path) -> None:
        try:
            self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            if os.fstat(self._descriptor).st_size < _SIZE:
                os.ftruncate(self._descriptor, _SIZE)
        except OSError as exc:
            raise StateUnwritable(f"The board cannot be opened: {exc.strerror}.", where=str(file)) from exc
        self._memory = mmap.mmap(self._descriptor, _SIZE)

    @property
    def generation(self) -> int:
        number: int = _NUMBER.unpack_from(self._memory, 0)[0]
        return number

    def raise_generation(self) -> None:
        """Tells every worker to look again."""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            _NUMBER.pack_into(self._memory, 0, self.generation + 1)
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        self._memory.close()
        os.close(self._descriptor)
