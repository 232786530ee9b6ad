"""`python -m appliance.gateway.server`: Granian's main process, started and watched by supervise.py.

It forks the workers, so it holds no state, no thread and no database connection; it loads the workers' modules before
it forks, so that a worker is there at once. It listens only after supervise.py has said so on its standard input.
"""

from __future__ import annotations

import os
import signal
import sys

from granian.constants import HTTPModes, Interfaces, Loops, SSLProtocols
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

import appliance.boot  # noqa: F401 - loaded before the fork, for every worker
from appliance.host_process import die_with_parent, keep_memory_to_oneself
from appliance.settings import SETTINGS_VARIABLE, Settings

HEADER_SECONDS = 10
HEADERS_LIMIT_BYTES = 64 * 1024
CALLS_BESIDE_STREAMS = 1024


def main() -> None:
    die_with_parent(signal.SIGTERM)
    keep_memory_to_oneself()
    settings = Settings.model_validate_json(os.environ[SETTINGS_VARIABLE])
    if not sys.stdin.readline():
        return  # nobody lets it serve: the site may not, and supervise.py says why
    Server(
        "appliance.boot:build_app",
        factory=True,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_SECONDS * 1000, max_buffer_size=HEADERS_LIMIT_BYTES),
        ssl_cert=settings.tls_certificate,
        ssl_key=settings.tls_key,
        ssl_protocol_min=SSLProtocols.tls12,
        websockets=False,
        backlog=2048,
        # Beside its streams a worker has other calls, and one stream too many is refused rather than left to wait.
        backpressure=settings.streams_per_worker + CALLS_BESIDE_STREAMS,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=30,
    ).serve()


if __name__ == "__main__":
    main()
