"""The admin API's process, as supervise.py starts, watches, restarts and stops it.

Promise: whatever becomes of it, calls of apps are answered: it shares no process with the gateway, and nothing here
raises. One that ends is started again, at most once in RESTART_SECONDS, for as long as `ao serve` runs.
"""

from __future__ import annotations

import logging
import socket
import stat
import subprocess
from contextlib import closing, suppress
from pathlib import Path

from appliance import child_process
from appliance.settings import Settings
from appliance.state.admin_address import forget_address, note_address
from licensing.errors import Refusal

log = logging.getLogger("ao.serve")

RESTART_SECONDS = 5.0
STOP_SECONDS = 10.0
FOLDER_MODE = 0o750


class AdminProcess:
    """Made, it does nothing; `keep_up` starts it where it should run, `stop` is harmless at any time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._tried: float | None = None
        if settings.admin.fault:
            log.warning("the admin API is not served: %s", settings.admin.fault)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def keep_up(self, now: float) -> None:
        """Starts it where it does not run. `now` in seconds."""
        if not self._settings.admin.wanted or (self._process is not None and self._process.poll() is None):
            return
        if self._tried is not None and now - self._tried < RESTART_SECONDS:
            return
        if self._process is not None:
            log.error("the admin API ended by itself (exit %s); it is started again", self._process.returncode)
            child_process.end(self._process, STOP_SECONDS)
        self._tried = now
        try:
            _clear_way(self._settings.admin.socket)
            self._process = child_process.begin("appliance.admin_api.server", self._settings)
            note_address(self._settings.state_dir, str(self._settings.admin))
        except (OSError, Refusal) as exc:
            log.error("the admin API cannot be started: %s", exc)

    def stop(self) -> None:
        if self._process is None:
            return
        child_process.end(self._process, STOP_SECONDS)
        self._process = None
        forget_address(self._settings.state_dir)
        if self._settings.admin.socket is not None:
            with suppress(OSError):
                _clear_way(self._settings.admin.socket)


def _clear_way(file: Path | None) -> None:
    """Takes away the socket of one that was killed. Raises OSError where another process answers there."""
    if file is None:
        return
    file.parent.mkdir(mode=FOLDER_MODE, exist_ok=True)
    try:
        if not stat.S_ISSOCK(file.lstat().st_mode):
            raise FileExistsError(f"{file} is there, and is no socket")
    except FileNotFoundError:
        return
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(file))
        except OSError:
            file.unlink(missing_ok=True)
            return
    raise FileExistsError(f"another process answers at {file}")
