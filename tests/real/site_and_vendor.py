"""A vendor and its sites, worked with as people do: through the installed commands, each a process of its own."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from licensing.document import format_time
from licensing.trust import RoleName, Trust
from licensing.vendor.home import Home
from licensing.vendor.key_files import AnyKey
from licensing.vendor.unlock import Unlock
from media.passphrase import Passphrase
from tests.real.processes import ROOT, Process, free_port, program_environment

PROGRAMS = Path(sys.executable).parent
WORDS = "a passphrase for tests"
COMMAND_SECONDS = 60

Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    exit_code: int
    out: str
    err: str

    @property
    def data(self) -> dict[str, Any]:
        """What `--json` printed."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found

    @property
    def error(self) -> dict[str, str]:
        """The refusal that `--json` printed."""
        found = self.data["error"]
        assert isinstance(found, dict)
        return found


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Done:
    ended = subprocess.run(
        command,
        check=False,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=COMMAND_SECONDS,
        env=program_environment(environment),
        cwd=ROOT,
    )
    done = Done(ended.returncode, ended.stdout.decode("utf-8", "replace"), ended.stderr.decode("utf-8", "replace"))
    assert "Traceback" not in done.err, done.err
    return done


@dataclass(frozen=True, slots=True)
class Vendor:
    """A vendor's home, and the commands on it."""

    home: Path
    passphrase_file: Path

    @classmethod
    def made(cls, folder: Path, name: str = "Example Systems") -> Vendor:
        folder.mkdir(parents=True, exist_ok=True)
        passphrase_file = folder / "passphrase"
        passphrase_file.touch(mode=0o600)
        passphrase_file.write_text(WORDS + "\n")
        vendor = cls(folder / "home", passphrase_file)
        vendor.command("init", "--name", name)
        return vendor

    @property
    def trust_file(self) -> Path:
        return self.home / "trust.json"

    def command(self, *arguments: str, expect: int = 0) -> Done:
        """`ao-vendor …`, with its passphrase, ending in this exit code."""
        words = ("--passphrase-file", str(self.passphrase_file), "--json")
        done = run([str(PROGRAMS / "ao-vendor"), "--home", str(self.home), *arguments, *words])
        assert done.exit_code == expect, f"ao-vendor {arguments}: {done}"
        return done

    def issue(self, request: Path, out: Path, *options: str) -> Path:
        """A licence for a site's request; for 90 days where the options do not say otherwise."""
        until = () if {"--expires", "--days"} & set(options) else ("--days", "90")
        models = () if "--models" in options else ("--models", "*")
        terms = ("--customer", "Example Works", "--edition", "enterprise", *until, *models)
        self.command("licence", "issue", str(request), *terms, *options, "--out", str(out))
        return out

    def sign_config(self, text: str, site: str, out: Path) -> Path:
        source = out.with_suffix(".source")
        source.write_text(text)
        self.command("config", "sign", str(source), "--site", site, "--out", str(out))
        return out

    def reconcile(self, files: Sequence[Path], receipts: Path, expect: int = 0) -> dict[str, Any]:
        named = [str(file) for file in files]
        return self.command("usage", "reconcile", *named, "--receipts", str(receipts), expect=expect).data

    def trust(self) -> Trust:
        return Home(self.home).trust().claims

    def signers(self, role: RoleName) -> tuple[AnyKey, ...]:
        """A role's private keys, for documents that no command would make."""
        return Home(self.home).signers(self.trust(), role, Unlock(lambda: Passphrase(WORDS.encode())))


@dataclass(frozen=True, slots=True)
class Site:
    """A site's state folder, the medium that it exchanges files by, and the commands on it."""

    id: str
    state: Path
    media: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def made(cls, folder: Path, vendor: Vendor, name: str = "plant-7") -> Site:
        """A site that has pinned the vendor's trust and asked for a licence."""
        site = cls(name, folder / "state", folder / "media")
        site.media.mkdir(parents=True, exist_ok=True)
        site.ao("init", "--site", name, "--name", "Example Works, plant 7", "--trust", str(vendor.trust_file))
        site.ao("site", "request", "--out", str(site.request))
        return site

    @classmethod
    def licensed(cls, folder: Path, vendor: Vendor, config: str, *options: str, name: str = "plant-7") -> Site:
        """A site with a licence of these options and this config in force."""
        site = cls.made(folder, vendor, name)
        site.ao("licence", "import", str(vendor.issue(site.request, site.media / "licence.json", *options)))
        site.put_in_force(vendor, config)
        return site

    @property
    def request(self) -> Path:
        return self.media / "site-request.signed.json"

    @property
    def database(self) -> Path:
        return self.state / "ao.db"

    def run(self, *arguments: str, prefix: Sequence[str] = ()) -> Done:
        """`ao …` on this state, whatever comes of it. `prefix` is a program that runs it (faketime, unshare)."""
        return run([*prefix, str(PROGRAMS / "ao"), *arguments], self.all_environment())

    def ao(self, *arguments: str, expect: int = 0) -> dict[str, Any]:
        """`ao … --json` on this state, ending in this exit code: what it printed."""
        done = self.run(*arguments, "--json")
        assert done.exit_code == expect, f"ao {arguments}: {done}"
        return done.data

    def all_environment(self) -> dict[str, str]:
        return {"AO_STATE_DIR": str(self.state), **self.environment}

    def put_in_force(self, vendor: Vendor, config: str) -> Path:
        file = self.media / f"config-{time.time_ns()}.yaml.signed"
        vendor.sign_config(config, self.id, file)
        self.ao("config", "import", str(file), "--yes")
        return file

    def key(self, name: str = "app", team: str = "default") -> str:
        return str(self.ao("keys", "create", "--name", name, "--team", team)["key"])

    @contextmanager
    def serving(self, *, workers: int = 1, port: int | None = None) -> Iterator[Gateway]:
        """`ao serve` until the block ends; then it is killed, unless it has been stopped."""
        port = port or free_port()
        command = [str(PROGRAMS / "ao"), "serve", "--port", str(port), "--workers", str(workers), "--json"]
        log = self.media / f"serve-{time.time_ns()}.log"
        with Process.started(command, log, environment=self.all_environment()) as process:
            facts = first_line(process)
            yield Gateway(process, port, facts)

    def tables(self, *, without: Sequence[str] = ()) -> dict[str, list[Row]]:
        """Everything in the state database, but for these tables."""
        return tables_of(self.database, without=without)

    def ledger(self) -> dict[str, dict[str, Any]]:
        """Every exchange in the ledger by its id, after the journal was taken in."""
        self.run("status")
        with closing(sqlite3.connect(self.database)) as database:
            database.row_factory = sqlite3.Row
            return {row["id"]: dict(row) for row in database.execute("SELECT * FROM ledger")}


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running `ao serve`; `facts` is what it said when it was ready."""

    process: Process
    port: int
    facts: dict[str, Any]

    @property
    def base_url(self) -> str:
        return str(self.facts["base_url"])

    def stop(self, seconds: float = 20) -> int:
        """SIGTERM to `ao serve` alone; its exit code."""
        self.process.popen.send_signal(signal.SIGTERM)
        return self.process.popen.wait(timeout=seconds)

    def workers(self) -> list[int]:
        """The processes at the leaves: those that answer calls."""
        below = self.process.tree()
        parents = {parent_of(pid) for pid in below}
        return [pid for pid in below if pid not in parents and is_worker(pid)]


def is_worker(pid: int) -> bool:
    """Whether this is a child of Granian's main process (which itself is the child of `ao serve`)."""
    try:
        command = Path(f"/proc/{parent_of(pid)}/cmdline").read_bytes()
    except OSError:
        return False
    tracker = b"resource_tracker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return b"appliance.gateway.server" in command and not tracker


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def first_line(process: Process, seconds: float = 30) -> dict[str, Any]:
    """The JSON object that a program prints when it is ready; fails with its words where it ends before."""
    deadline = time.monotonic() + seconds
    while not (lines := [line for line in process.log.read_text().splitlines(True) if line.startswith("{")]):
        assert process.popen.poll() is None, f"ended with {process.popen.returncode}:\n{process.said()}"
        assert time.monotonic() < deadline, f"not ready:\n{process.said()}"
        time.sleep(0.02)
    facts = json.loads(lines[0])
    assert isinstance(facts, dict)
    return facts


def tables_of(database: Path, *, without: Sequence[str] = ()) -> dict[str, list[Row]]:
    with closing(sqlite3.connect(database)) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr)
            for name in names
            if name not in without
        }


def config_of(*entries: tuple[str, str]) -> str:
    """A config: (alias, provider) with the provider as a YAML flow mapping, `{name: demo}` for example."""
    return "models:\n" + "".join(f"  - alias: {alias}\n    provider: {provider}\n" for alias, provider in entries)


def upstream_at(base_url: str, model: str = "default") -> str:
    return f"{{name: openai-compatible, model: {model}, api_base: {json.dumps(base_url)}}}"


def in_seconds(seconds: float) -> str:
    return format_time(datetime.now(UTC) + timedelta(seconds=seconds))


def wait_for_the_next_second() -> None:
    """A sealed period ends at a whole second and holds what ended before it."""
    time.sleep(1.05 - time.time() % 1)
