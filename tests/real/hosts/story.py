"""What a story about a host needs: the host, the stick that is in it, the vendor far away, somebody's program."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

from tests.real.filesystems import image, mounted, need, run
from tests.real.hosts.booted_host import BootedHost, Ended
from tests.real.hosts.releases import Releases
from tests.real.site_and_vendor import Vendor

SITE, MODEL, HELD_MODEL = "plant-7", "assistant", "held"
HELD_PORT = 9000
PATIENCE_SECONDS = 120


@contextmanager
def fat_stick(folder: Path) -> Iterator[Path]:
    need("mkfs.vfat", "fusefat")
    file = image(folder, 64)
    run("mkfs.vfat", "-F", "32", file)
    with mounted(["fusefat", "-o", "rw+,allow_other", file, folder / "stick"], folder / "stick") as at:
        yield at


@dataclass
class Program:
    """Somebody's program on the host's network, which OpenAI's client runs in (asks_on_and_on)."""

    popen: subprocess.Popen[bytes]
    out: BinaryIO
    heard: list[dict[str, Any]] = field(default_factory=list)

    def order(self, what: Mapping[str, Any]) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.write(json.dumps(what).encode() + b"\n")
        self.popen.stdin.flush()

    def listen(self) -> list[dict[str, Any]]:
        """All that it has said so far, read without moving where it writes."""
        told = os.pread(self.out.fileno(), 2**26, 0)
        self.heard = [json.loads(line) for line in told[: told.rfind(b"\n") + 1].splitlines()]
        return self.heard

    def end(self) -> None:
        _, err = self.popen.communicate(timeout=PATIENCE_SECONDS)
        assert self.popen.returncode == 0, err
        self.listen()


@dataclass
class Story:
    """`upstream` is the folder of the model server on the host's network (held_upstream), `took` are seconds by what
    took them, `streams` the tokens of streams by their ids, `past` what programs heard that have ended."""

    host: BootedHost
    stick: Path
    vendor: Vendor
    releases: Releases
    upstream: Path
    took: dict[str, float] = field(default_factory=dict)
    key: str = ""
    streams: dict[str, int] = field(default_factory=dict)
    powered_on: float = 0.0
    program: Program | None = None
    past: list[dict[str, Any]] = field(default_factory=list)

    def ao(self, *words: str, expect: int = 0) -> dict[str, Any]:
        """`ao …` as root on the host, in JSON."""
        ended = self.host.run("ao", *words, "--json", check=False)
        return self._told(words, ended, expect)

    def release(self, version: str, *words: str, expect: int = 0) -> dict[str, Any]:
        """The `ao` of a release that has been carried in, and is not installed."""
        ended = self.host.run(f"/srv/releases/{version}/bin/ao", *words, "--json", check=False)
        return self._told(words, ended, expect)

    def _told(self, words: tuple[str, ...], ended: Ended, expect: int) -> dict[str, Any]:
        assert ended.exit_code == expect, (words, ended, self.log())
        found = json.loads(ended.out)
        assert isinstance(found, dict)
        return found

    def others(self) -> list[str]:
        """The versions that lie unpacked on the host."""
        return sorted(each.name for each in self.releases.folder.glob("0.*"))

    def log(self) -> str:
        return self.host.run("journalctl", "-u", "ao", "--no-pager", "-n", "40", check=False).out

    def version(self) -> str:
        return (self.host.folder / "opt/ao/current").readlink().name

    def schema(self) -> int:
        file = self.host.folder / "var/lib/ao/ao.db"
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            return int(connection.execute("PRAGMA user_version").fetchone()[0])

    def unit_is(self) -> str:
        return self.host.run("systemctl", "is-active", "ao", check=False).out.strip()

    def seconds(self, name: str, since: float) -> None:
        self.took.setdefault(name, round(time.monotonic() - since, 2))

    @contextmanager
    def switched_on(self) -> Iterator[None]:
        """The host from boot to power off, and what is on its network for as long."""
        self.powered_on = time.monotonic()
        self.host.boot()
        self.seconds("boot", self.powered_on)
        with tempfile.TemporaryFile() as out, self._model_server():
            command = (sys.executable, "-m", "tests.real.hosts.asks_on_and_on")
            # A file, because a pipe that nobody reads from makes its writer wait.
            self.program = Program(self.host.start_outside(*command, out=out), out)
            try:
                yield
            finally:
                self.program.end()
                self.past += self.program.heard
                self.program = None
        self.host.power_off()

    @contextmanager
    def _model_server(self) -> Iterator[None]:
        with tempfile.TemporaryFile() as out:
            command = ("-m", "tests.real.hosts.held_upstream", str(HELD_PORT), str(self.upstream))
            server = self.host.start_outside(sys.executable, *command, out=out)
            try:
                yield
            finally:
                server.kill()
                server.communicate()

    @contextmanager
    def asking(self, address: str = "127.0.0.1", *, model: str = MODEL) -> Iterator[None]:
        """Somebody's program asks on and on: answered once before the block begins, and at rest after it."""
        before = len(self.answered())
        self._order({"ask": self._call_to(model, address)})
        self.wait_for(lambda: len(self.answered()) > before, "somebody is answered")
        try:
            yield
        finally:
            resting = len(self._said("resting"))
            self._order({"rest": True})
            self.wait_for(lambda: len(self._said("resting")) > resting, "nobody asks any more")

    def begin_stream(self) -> str:
        """An answer that goes on only when `let_stream_go_on` says so. Returns its id when its first words are here."""
        before = len(self._said("stream_begun"))
        self._order({"stream": self._call_to(HELD_MODEL)})
        self.wait_for(lambda: len(self._said("stream_begun")) > before, "the stream begins")
        return str(self._said("stream_begun")[-1]["stream_begun"])

    def stream_is_under_way(self) -> bool:
        return not self._said("stream_ended") and not self._said("stream_broke")

    def let_stream_go_on(self, name: str) -> list[str]:
        """All that came of it, from the first event to the last."""
        (self.upstream / "go").touch()
        self.wait_for(lambda: self._said("stream_ended") + self._said("stream_broke"), "the stream ends")
        assert self._said("stream_broke") == []
        (ended,) = [each for each in self._said("stream_ended") if each["stream_ended"] == name]
        return list(ended["said"])

    def _call_to(self, model: str, address: str = "127.0.0.1") -> dict[str, str]:
        return {"base_url": f"http://{address}:8080/v1", "key": self.key, "model": model}

    def _order(self, what: Mapping[str, Any]) -> None:
        assert self.program is not None
        self.program.order(what)

    def _all(self) -> list[dict[str, Any]]:
        return [*self.past, *(self.program.listen() if self.program else [])]

    def _said(self, what: str) -> list[dict[str, Any]]:
        return [each for each in self._all() if what in each]

    def answered(self) -> list[str]:
        return [each["id"] for each in self._said("id")]

    def first_answer(self) -> float:
        """When the running program had its first."""
        assert self.program is not None
        return next(float(each["at"]) for each in self.program.listen() if "id" in each)

    def longest_gap(self, since: int) -> float:
        """Between two answers, of those after so many."""
        times = [float(each["at"]) for each in self._said("id")[since:]]
        return round(max(later - earlier for earlier, later in pairwise(times)), 2)

    def wait_for(
        self, condition: Callable[[], object], what: str, going: subprocess.Popen[bytes] | None = None
    ) -> None:
        """`going` must not have ended before."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if going is not None:
                assert going.poll() is None, going.communicate()
            assert time.monotonic() < deadline, (
                f"{what}: not within {PATIENCE_SECONDS} s\n{self._all()[-5:]}\n{self.log()}"
            )
            time.sleep(0.02)
