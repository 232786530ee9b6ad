"""A real gateway: `ao serve` as a process of its own, on a state made in process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from appliance.ledger.entry import Begun, Entry
from appliance.ledger.journal import segments
from appliance.operations.keys import create_key
from appliance.state.site import open_site
from tests.appliance.entries import lines_in
from tests.appliance.papers import entropy
from tests.appliance.sites import licensed_site

AO = Path(sys.executable).with_name("ao")
UPSTREAM_KEY = "sk-upstream-0123456789-SECRET"


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def models_text(routes: dict[str, list[str]]) -> str:
    """The models of a config: for each alias the addresses of its deployments, in order."""
    lines = ["models:"]
    for alias, bases in routes.items():
        for base in bases:
            lines += [f"  - alias: {json.dumps(alias)}", "    provider:", "      name: openai-compatible"]
            lines += ["      model: upstream-name", f"      api_base: {base}", "      api_key: ${UPSTREAM_KEY}"]
    return "\n".join(lines) + "\n"


class Gateway:
    """Started by `start`, stopped by `stop`; `key` is an API key of it."""

    def __init__(self, folder: Path, config: str, *, workers: int = 1, **licence: Any) -> None:
        self.state = folder / "state"
        self.stderr = folder / "stderr"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._workers = workers
        self.extra_environment: dict[str, str] = {}
        self.admin_listen = "none"
        """Empty: wherever it is when nobody says."""
        now = datetime.now(UTC).replace(microsecond=0)
        with closing(licensed_site(self.state, config, now=now, **licence)) as site:
            self.key = self.new_key("tests")
            self.epoch = site.epoch
        self.process: subprocess.Popen[str] | None = None

    def new_key(self, name: str) -> str:
        now = datetime.now(UTC).replace(microsecond=0)
        with closing(open_site(self.state)) as site:
            made = create_key(
                site, name=name, org="hospital", team="ward-3", expires_at=None, now=now, entropy=entropy(name, 32)
            )
        return made.secret

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "AO_STATE_DIR": str(self.state), "UPSTREAM_KEY": UPSTREAM_KEY, **self.extra_environment}

    def start(self) -> None:
        with self.stderr.open("ab") as stderr:
            self.process = subprocess.Popen(
                [AO, "serve", "--json", "--port", str(self.port), *self._options()],
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        assert self.process.stdout is not None
        watchdog = threading.Timer(40, self.process.kill)
        watchdog.start()
        line = self.process.stdout.readline()
        watchdog.cancel()
        assert line, self.stderr.read_text()
        assert json.loads(line).get("rung") == "valid", line + self.stderr.read_text()

    def _options(self) -> list[str]:
        return ["--workers", str(self._workers), *(["--admin-listen", self.admin_listen] if self.admin_listen else [])]

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            self.process.communicate(timeout=45)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        return self.process.returncode

    def workers(self) -> list[int]:
        """The process ids of the worker processes: grandchildren of `ao serve` that hold the journal open."""
        journal = str(self.state / "journal")
        found = []
        for process in [each for each in Path("/proc").iterdir() if each.name.isdigit()]:
            # A process may end while it is looked at, and one that lives may close a file.
            with suppress(OSError):
                for each in (process / "fd").iterdir():
                    name = _target(each)
                    if name.startswith(journal) and name.endswith(".journal"):
                        found.append(int(process.name))
        return sorted({pid for pid in found if self.process is None or pid != self.process.pid})

    def listens(self) -> bool:
        with closing(socket.socket()) as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def ao(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([AO, *arguments], env=self.environment, capture_output=True, text=True, check=False)

    def post(
        self, model: str, *, key: str | None = None, path: str = "/v1/chat/completions", **more: Any
    ) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": "PROMPT-MARKER"}], **more}
        headers = {"authorization": f"Bearer {key or self.key}"}
        return httpx.post(self.url + path, json=body, headers=headers, timeout=60, trust_env=False)

    def lines(self) -> list[Begun | Entry]:
        """Every beginning and every entry in the journal."""
        every = [line for segment in segments(self.state / "journal") for line in lines_in(segment)]
        return [line for line in every if isinstance(line, Begun | Entry)]

    def entry(self, request_id: str, *, within: float = 3.0) -> Entry:
        """The one entry of this exchange, once it is there."""
        deadline = time.monotonic() + within
        while True:
            found = [line for line in self.lines() if line.id == request_id and isinstance(line, Entry)]
            if found or time.monotonic() > deadline:
                break
            time.sleep(0.02)
        assert len(found) == 1, f"{len(found)} entries of {request_id}"
        return found[0]


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:
        return ""
