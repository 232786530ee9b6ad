"""`python -m appliance.gateway.server`: Granian's main process, started and watched by supervise.py.

Kept apart and light because it forks the workers: it holds no state, no thread and no database connection.
"""

from __future__ import annotations

import os
import signal

from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from appliance.host_process import die_with_parent

SETTINGS_VARIABLE = "AO_GATEWAY_SETTINGS"


def main() -> None:
    import json

    die_with_parent(signal.SIGTERM)
    settings = json.loads(os.environ[SETTINGS_VARIABLE])
    Server(
        "appliance.boot:build_app",
        factory=True,
        address=settings["host"],
        port=settings["port"],
        interface=Interfaces.ASGI,
        workers=settings["workers"],
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=30_000, max_buffer_size=64 * 1024),
        websockets=False,
        backlog=2048,
        backpressure=1024,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=30,
    ).serve()


if __name__ == "__main__":
    main()
