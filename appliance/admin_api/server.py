"""`python -m appliance.admin_api.server`: the admin API's own process, started and watched by admin_process.py.

One worker: administrators are few, and what they must not repeat is remembered in the state database anyway.
"""

from __future__ import annotations

import os
import signal

from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server
from litestar.types import ASGIApp

from appliance.admin_api.app import build
from appliance.admin_api.sign_in import authenticate
from appliance.config.secrets import host_secrets
from appliance.host_process import die_with_parent, keep_memory_to_oneself
from appliance.observe.log_lines import log_to_standard_error
from appliance.settings import SETTINGS_VARIABLE, Settings

HEADER_SECONDS = 10
HEADERS_LIMIT_BYTES = 16 * 1024
CALLS_AT_ONCE = 32
SOCKET_MODE = 0o660


def build_app() -> ASGIApp:
    """The ASGI app of the worker process."""
    die_with_parent()
    keep_memory_to_oneself()
    log_to_standard_error()
    settings = _settings()
    return build(settings, authenticate, host_secrets(os.environ, settings.secrets_dir))


def main() -> None:
    die_with_parent(signal.SIGTERM)
    keep_memory_to_oneself()
    listen = _settings().admin
    Server(
        "appliance.admin_api.server:build_app",
        factory=True,
        address=listen.host or "127.0.0.1",
        port=listen.port,
        uds=listen.socket,
        uds_permissions=SOCKET_MODE,
        interface=Interfaces.ASGI,
        workers=1,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_SECONDS * 1000, max_buffer_size=HEADERS_LIMIT_BYTES),
        websockets=False,
        backlog=128,
        backpressure=CALLS_AT_ONCE,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=5,
    ).serve()


def _settings() -> Settings:
    return Settings.model_validate_json(os.environ[SETTINGS_VARIABLE])


if __name__ == "__main__":
    main()
