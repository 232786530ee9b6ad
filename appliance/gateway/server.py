"""`python -m appliance.gateway.server`: Granian's main process, started and watched by succession.py.

It forks the workers, so it holds no state, no thread and no database connection; it loads the workers' modules before
it forks, so that a worker is there at once. It serves only after it was told on its standard input with what, and on
sockets that it was given. SIGUSR1 retires it: another has taken its place.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import FrameType
from typing import Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes, SSLProtocols
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import MPServer

import appliance.boot  # noqa: F401 - loaded before the fork, for every worker
from appliance.host_process import die_with_parent, keep_memory_to_oneself, take_turns
from appliance.listening import ACCEPTING_VARIABLE, BACKLOG, DESCRIPTORS_VARIABLE, RETIRE, descriptors_in
from appliance.settings import SETTINGS_VARIABLE, Settings
from appliance.tls.in_memory import file_in_memory, path_of

HEADER_SECONDS = 10
HEADERS_LIMIT_BYTES = 64 * 1024
CALLS_BESIDE_STREAMS = 1024
STOP_SECONDS = 30
FAREWELL_SECONDS = 3.0
"""So long a retired worker still ends handshakes and tells kept connections to close, before it is asked to end."""
RETIRED_SECONDS = 3600
"""So long what a retired worker has begun may take."""


class OnGivenSockets(MPServer):
    """Each worker accepts from a socket of its own that was there before it, and is there after it.

    Granian would have each worker bind one, and whatever waits in it would be lost with the worker. The three methods
    are Granian's inner ones; its version is pinned, and tests/appliance/test_reload.py holds what is expected of them.
    """

    def listen_on(self, descriptors: Sequence[int]) -> None:
        self._given = descriptors

    def present(self, material: Mapping[str, Any] | None) -> None:
        """What the listener shows and asks for, from memory: the files may have changed by the time that a worker is
        started again."""
        if material is None:
            return
        self._kept_open = files = {
            name: file_in_memory(name, str(material[name]).encode())
            for name in ("certificate", "key", "client_ca")
            if material[name]
        }
        crls = [file_in_memory("crl", each.encode()) for each in material["crls"]]
        # As Granian's build_ssl_context makes it, which cannot take paths that are links.
        context: Any = (
            True,
            path_of(files["certificate"]),
            path_of(files["key"]),
            None,
            str(SSLProtocols.tls12),
            path_of(files["client_ca"]) if "client_ca" in files else None,
            [path_of(each) for each in crls],
            bool(material["required"]),
        )
        self.ssl_ctx = context

    def retire(self, _signal: int, _frame: FrameType | None) -> None:
        """Workers accept nothing more at once; they are asked to end a little later, and may take their time."""
        if os.getpid() != self._own_pid:
            return  # a worker that was forked a moment ago, and has no handler of its own yet
        self.respawn_failed_workers = False
        self.workers_kill_timeout = RETIRED_SECONDS
        for each in self.wrks:
            # One that has ended has nothing to leave.
            with suppress(ProcessLookupError):
                os.kill(each.inner.pid, RETIRE)
        os.close(int(os.environ[ACCEPTING_VARIABLE]))
        threading.Timer(FAREWELL_SECONDS, self.signal_handler_interrupt).start()

    def _init_shared_socket(self) -> None:
        self._sso = None
        self._own_pid = os.getpid()
        signal.signal(RETIRE, self.retire)

    def _spawn_worker(self, idx: int, target: Any, callback_loader: Callable[..., Any]) -> Any:  # type: ignore[override]
        holder: Any = SocketHolder
        self._ssp, self._shd = None, holder(self._given[idx], False, BACKLOG)
        return super()._spawn_worker(idx, target, callback_loader)


def main() -> None:
    die_with_parent()  # at once: whoever is started in its place finds the address free
    keep_memory_to_oneself()
    take_turns()
    settings = Settings.model_validate_json(os.environ[SETTINGS_VARIABLE])
    line = sys.stdin.readline()
    if not line:
        return  # nobody lets it serve: the site may not, and supervise.py says why
    server = OnGivenSockets(
        "appliance.boot:build_app",
        factory=True,
        address=settings.host,
        port=settings.port,
        # Not RSGI, whose streams cost a third: there nothing holds back who writes faster than is read (as of 2.8.9).
        interface=Interfaces.ASGI,
        workers=settings.workers,
        loop=Loops.uvloop,
        # With its one thread, 5 % less CPU a call than the single-threaded kind that is chosen for ASGI otherwise.
        runtime_mode=RuntimeModes.mt,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_SECONDS * 1000, max_buffer_size=HEADERS_LIMIT_BYTES),
        websockets=False,
        backlog=BACKLOG,
        # Beside its streams a worker has other calls, and one stream too many is refused rather than left to wait.
        backpressure=settings.streams_per_worker + CALLS_BESIDE_STREAMS,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=STOP_SECONDS,
    )
    server.listen_on(descriptors_in(os.environ[DESCRIPTORS_VARIABLE]))
    server.present(json.loads(line))
    server.serve()


if __name__ == "__main__":
    main()
