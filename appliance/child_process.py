"""A process of `ao serve`'s own: given the settings, kept in a session of its own, ended in order."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

from appliance.host_process import STARTED_BY_VARIABLE
from appliance.settings import SETTINGS_VARIABLE, Settings


def begin(
    module: str, settings: Settings, extra: Mapping[str, str] = {}, descriptors: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Starts `python -m module`; its standard input is a pipe that closes when this process ends. It is given
    `descriptors`, under the same numbers."""
    # A session of its own: Ctrl-C in a terminal reaches `ao serve` alone, which then stops the others in order.
    return subprocess.Popen(
        [sys.executable, "-m", module],
        env={
            **os.environ,
            SETTINGS_VARIABLE: settings.model_dump_json(),
            STARTED_BY_VARIABLE: str(os.getpid()),
            **extra,
        },
        stdin=subprocess.PIPE,
        stdout=sys.stderr,  # standard output is for what `--json` promises
        start_new_session=True,
        pass_fds=descriptors,
    )


def end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Asks it to finish, and kills it where it has not after that time. Harmless where it has ended."""
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.close()
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
