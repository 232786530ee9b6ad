"""What is measured. A further gateway is one class here: how to start it, when it is ready, what its key is.

Each subject answers OpenAI's paths on a port of 127.0.0.1 and passes them to the upstream of the benchmark.
"""

from __future__ import annotations

import http.client
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.packaging.made import Made, made, runtime_is_kept

from .processes import BenchError, Child, running
from .tools import LOGS, Endpoint

CHECKOUT = Path(sys.executable).with_name("ao")
READY_SECONDS = 60.0
POLL_SECONDS = 0.005
SETTLED_SHARE = 0.05
"""Of the core: a subject that uses less without any load has started."""
SETTLE_LOOK_SECONDS = 0.5
SETTLE_SECONDS = 20.0
RPM_CAP = 1_000_000
"""Never reached, so that the cap is checked on every request and refuses none."""
ORG, TEAM, KEY = "quickstart", "newcomers", "quickstart"
"""Whose key `ao quickstart` makes."""
CAPS = ("--rpm", str(RPM_CAP), "--tpm", "1000000000", "--concurrent", "10000", "--tokens-day", "1000000000000")
"""Of each tier below the licence, as hard to reach."""


@dataclass(frozen=True)
class Running:
    """A subject that answers. The direct call has no process, and was always ready."""

    endpoint: Endpoint
    child: Child | None = None
    ready_seconds: float | None = None
    start_cpu_seconds: float | None = None
    """What its start cost, with all that it still does after its first answer."""


class Subject(ABC):
    """One row of the report."""

    name: str

    def missing(self) -> str | None:
        """Why it cannot be measured on this machine, and what would change that; None if it can."""
        return None

    @abstractmethod
    def serve(self, upstream: Endpoint, core: int) -> AbstractContextManager[Running]:
        """Starts it pinned to the core, yields once it answers, stops it."""


class Direct(Subject):
    """The upstream itself: what the latency is without a gateway."""

    name = "direct"

    def serve(self, upstream: Endpoint, core: int) -> AbstractContextManager[Running]:
        @contextmanager
        def nothing_to_start() -> Iterator[Running]:
            yield Running(upstream)

        return nothing_to_start()


class Gateway(Subject):
    """A subject with a process. Every visit starts it afresh in an empty folder."""

    ready_path = "/v1/models"
    environment: Mapping[str, str] = {}

    @abstractmethod
    def command(self, port: int, upstream: Endpoint, folder: Path) -> list[str]:
        """What to run; it stays in the foreground until SIGTERM. Configuration is written to the folder first."""

    def endpoint(self, child: Child, port: int, upstream: Endpoint) -> Endpoint:
        """The key and the model to ask for, once the subject is ready."""
        return Endpoint(port=port, key="none", model=upstream.model)

    @contextmanager
    def serve(self, upstream: Endpoint, core: int) -> Iterator[Running]:
        port = free_port()
        with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
            command = self.command(port, upstream, Path(folder))
            with running(self.name, command, core, LOGS, self.environment) as child:
                ready_seconds = wait_until_ready(child, port, self.ready_path)
                start_cpu_seconds = wait_until_settled(child)
                yield Running(self.endpoint(child, port, upstream), child, ready_seconds, start_cpu_seconds)


class Appliance(Gateway):
    """AO Appliance with all that it does on: key, licence, the caps of org, team and key, routing, journal, metrics.
    The release as it ships, with the Python that it carries; this checkout where no such Python is kept on this
    machine. The site is made beforehand, by the checkout: it takes the vendor's side as well."""

    name = "ao"
    ready_path = "/readyz"

    @cached_property
    def release(self) -> Made | None:
        arch = os.uname().machine
        return made(arch) if runtime_is_kept(arch) else None

    @property
    def program(self) -> Path:
        return self.release.tree / "bin" / "ao" if self.release else CHECKOUT

    @property
    def described(self) -> str:
        """What was measured, for the report."""
        if self.release:
            return f"release {self.release.facts.version} with its own Python {self.release.facts.python}"
        return f"this checkout with Python {platform.python_version()}"

    def missing(self) -> str | None:
        return None if CHECKOUT.exists() else f"{CHECKOUT} does not exist: run `make test` once, it installs it"

    def command(self, port: int, upstream: Endpoint, folder: Path) -> list[str]:
        to = f"http://127.0.0.1:{upstream.port}/v1"
        quickstart = ("quickstart", "--no-serve", "--json", "--dir", str(folder))
        said = json.loads(self._done(*quickstart, "--upstream", to, "--rpm", str(RPM_CAP)))
        for tier in (("orgs", "limit", ORG), ("teams", "limit", ORG, TEAM), ("keys", "limit", KEY)):
            self._done(*tier, "--state-dir", str(folder / "state"), *CAPS)
        self._made = Endpoint(port=port, key=said["key"], model=said["model"])
        serve = [str(self.program), "serve", "--state-dir", str(folder / "state"), "--port", str(port)]
        return [*serve, "--workers", "1"]

    def _done(self, *words: str) -> str:
        done = subprocess.run([str(CHECKOUT), *words], check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise BenchError(f"ao {words[0]} failed: {done.stdout}{done.stderr}")
        return done.stdout

    def endpoint(self, child: Child, port: int, upstream: Endpoint) -> Endpoint:
        return self._made


class Nginx(Gateway):
    """The limit: a reverse proxy in C with no logic at all."""

    name = "nginx"

    def missing(self) -> str | None:
        return None if shutil.which("nginx") else "there is no nginx on PATH; on Debian: apt-get install nginx-light"

    def command(self, port: int, upstream: Endpoint, folder: Path) -> list[str]:
        configuration = folder / "nginx.conf"
        configuration.write_text(
            NGINX_CONFIGURATION.format(
                folder=folder, port=port, upstream=upstream.port, temporary=_nginx_temporary_paths(folder)
            )
        )
        return ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(configuration)]


APPLIANCE = Appliance()
SUBJECTS: tuple[Subject, ...] = (Direct(), APPLIANCE, Nginx())
"""Those of this module; `peers` adds the field's gateways."""

# keepalive_requests: nginx would otherwise close a connection after 1000 requests, which reads as an error.
# proxy_buffering off: each event of a stream goes out as it comes, as it must from every subject.
NGINX_CONFIGURATION = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    {temporary}
    keepalive_requests 1000000000;
    upstream models {{
        server 127.0.0.1:{upstream};
        keepalive 128;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://models;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"""


def _nginx_temporary_paths(folder: Path) -> str:
    """The compiled-in folders need root; a build without one of the modules does not know its directive."""
    built = subprocess.run(["nginx", "-V"], capture_output=True, text=True, check=False).stderr
    names = ["client_body", "proxy"]
    names += [name for name in ("fastcgi", "uwsgi", "scgi") if f"--without-http_{name}_module" not in built]
    return " ".join(f"{name}_temp_path {folder}/{name};" for name in names)


def free_port() -> int:
    """A port that nobody has now. It could be taken before it is used; then the subject says so and ends."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until_ready(child: Child, port: int, path: str) -> float:
    """Seconds from the start of the child until the path answers 200."""
    deadline = child.started + READY_SECONDS
    last = "no connection"
    while time.monotonic() < deadline:
        child.check()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            status = connection.getresponse().status
            if status == http.HTTPStatus.OK:
                return time.monotonic() - child.started
            last = f"status {status}"
        except (OSError, http.client.HTTPException) as error:
            last = str(error)
        finally:
            connection.close()
        time.sleep(POLL_SECONDS)
    raise BenchError(f"{child.name}: {path} gave no 200 within {READY_SECONDS:.0f} s, last: {last}")


def wait_until_settled(child: Child) -> float:
    """CPU seconds of the child's start. What a subject starts beside its first answer is no part of a call's cost; one
    that never rests is measured all the same, after a while."""
    deadline = time.monotonic() + SETTLE_SECONDS
    used = child.cpu_seconds()
    while time.monotonic() < deadline:
        time.sleep(SETTLE_LOOK_SECONDS)
        child.check()
        before, used = used, child.cpu_seconds()
        if used - before <= SETTLED_SHARE * SETTLE_LOOK_SECONDS:
            break
    return used
