"""Whether the gateway of this state folder runs: a lock that the kernel holds for as long as its process lives."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from appliance.errors import AlreadyServing

_NAME = "serving.lock"


class ServingLock:
    """Held by the one process that serves this state. Raises AlreadyServing."""

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            os.close(self._descriptor)
            raise AlreadyServing("Another gateway is serving from this state folder.", where=str(folder)) from exc

    def release(self) -> None:
        os.close(self._descriptor)


def is_serving(folder: Path) -> bool:
    try:
        ServingLock(folder).release()
    except AlreadyServing:
        return True
    return False
