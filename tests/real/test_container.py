"""The image on a host that has containers and no network: from its file to a first completion, and the usage out.

The container runs as its own user on a read-only root, without capabilities, and writes to its volume and to the medium
alone. The state outlives it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from image.layout import USER
from image.oci import NAME
from licensing.version import __version__
from tests.packaging.made import MadeImage
from tests.real import paced_upstream
from tests.real.container_host import Container, ContainerHost
from tests.real.processes import Process, wait_until
from tests.real.site_and_vendor import PROGRAMS, Vendor, config_of, run

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

SITE = "cluster-7"
UPSTREAM_PORT, PORT = 8000, 8080
SLOW_SECONDS = 4.0


@dataclass(frozen=True)
class Running:
    """The container in service, with everything around it that a site has."""

    host: ContainerHost
    image: MadeImage
    vendor: Vendor
    volume: Path
    stick: Path
    secrets: Path
    notes: Path
    container: Container
    key: str

    def start(self) -> Container:
        mounts = {self.volume: "/var/lib/ao", self.stick: "/media/carried", self.secrets: "/etc/ao/secrets:ro"}
        words = [f"--volume={here}:{there}" for here, there in mounts.items()]
        healthy = ('--health-cmd=["ao","healthcheck"]', "--health-interval=disable")
        return self.host.start("ao", f"{NAME}@{self.image.opened.digest}", *words, *healthy)

    def ask(self, name: str, *, stream: bool = False) -> list[str]:
        """The words of a call."""
        body = {"model": "m-paced", "user": name, "stream": stream, "messages": [{"role": "user", "content": "Hello"}]}
        headers = ["-H", f"authorization: Bearer {self.key}", "-H", "content-type: application/json"]
        address = f"http://127.0.0.1:{PORT}/v1/chat/completions"
        return self.host.inside("curl", "-sSN", "--max-time", "60", *headers, "-d", json.dumps(body), address)

    def ready(self) -> bool:
        return self.container.exec("ao", "healthcheck", "--ready", expect=None).exit_code == 0


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerHost]:
    with ContainerHost.started(tmp_path_factory.mktemp("containers")) as host:
        yield host


@pytest.fixture(scope="module")
def running(
    host: ContainerHost, image_of_release: MadeImage, vendor: Vendor, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """From nothing: loaded, started, made into a site, licensed and given its config, without being started again."""
    folder = tmp_path_factory.mktemp("cluster")
    volume, stick, notes = folder / "volume", folder / "stick", folder / "notes"
    for each in (volume, stick):
        each.mkdir()
        os.chown(each, USER, USER)
    notes.touch()
    secrets = _secrets_as_a_cluster_lays_them(folder / "secrets")
    assert host.load(image_of_release.file) == image_of_release.opened.digest
    slow = [sys.executable, paced_upstream.__file__, "--port", str(UPSTREAM_PORT), "--notes", str(notes)]
    with Process.started(host.inside(*slow, "--seconds", str(SLOW_SECONDS)), folder / "upstream.log"):
        made = Running(host, image_of_release, vendor, volume, stick, secrets, notes, Container(host, "ao"), "")
        container = made.start()
        wait_until(lambda: "[not_initialised]" in container.said(), "it waits for its site", seconds=60)
        _carry_in(container, vendor, stick)
        wait_until(made.ready, "it serves", seconds=60)
        yield replace(made, key=str(container.ao("keys", "create", "--name", "app")["key"]))


def _carry_in(container: Container, vendor: Vendor, stick: Path) -> None:
    """What a person does with a stick that goes to the vendor once and comes back."""
    (stick / "trust.json").write_bytes(vendor.trust_file.read_bytes())
    container.ao("init", "--site", SITE, "--name", "Cluster 7", "--trust", "/media/carried/trust.json")
    container.ao("media", "exchange", "/media/carried", "--yes")
    request = stick / "AO/to-vendor" / SITE / "site-request.signed.json"
    licence = vendor.issue(request, stick.parent / "licence.json")
    address = f"http://127.0.0.1:{UPSTREAM_PORT}/v1"
    config = config_of(("m-paced", f"{{name: openai-compatible, api_base: '{address}', api_key: '${{MODEL_KEY}}'}}"))
    signed = vendor.sign_config(config, SITE, stick.parent / "config.yaml.signed")
    _to_site(stick, licence, signed)
    container.ao("media", "exchange", "/media/carried", "--yes")


def _secrets_as_a_cluster_lays_them(volume: Path) -> Path:
    """A Secret's volume: its names are links into a folder that is swapped as a whole; `files` of it is mounted."""
    files = volume / "..2026_11_23" / "files"
    files.mkdir(parents=True)
    (volume / "..data").symlink_to("..2026_11_23")
    (volume / "files").symlink_to("..data/files")
    (files / "MODEL_KEY").write_text("a-key-for-the-model\n")
    (files / "MODEL_KEY").chmod(0o440)
    os.chown(files / "MODEL_KEY", 0, USER)
    return (volume / "files").resolve()


def _to_site(stick: Path, *files: Path) -> None:
    done = run([str(PROGRAMS / "ao-vendor"), "media", "export", str(stick), *map(str, files), "--site", SITE])
    assert done.exit_code == 0, done


def test_it_answers_an_app_and_counts_the_call(running: Running) -> None:
    answer = json.loads(running.host.run(running.ask("first")).out)
    assert answer["choices"][0]["message"]["content"]
    assert answer["usage"]["prompt_tokens"] == paced_upstream.PROMPT_TOKENS

    def counted() -> bool:
        uses = running.container.ao("status")["usage"]
        assert isinstance(uses, dict)
        return bool(uses["since_receipt"]) and uses["since_receipt"][0]["requests"] == 1

    wait_until(counted, "the call is in the ledger")


def test_whoever_watches_it_finds_it_healthy(running: Running) -> None:
    running.host.run(running.host.podman("healthcheck", "run", "ao"))


def test_it_is_confined_as_it_is_said_to_be(running: Running) -> None:
    status = running.container.python("print(open('/proc/1/status').read())")
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert facts["Uid"].split() == [str(USER)] * 4
    assert {facts[each] for each in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2")
    tried = (
        "import os, errno\n"
        "for place in ('/x', '/tmp', '/etc/x', '/usr/bin/ao', '/opt/ao/release/MANIFEST', '/run/x', '/var/x'):\n"
        "    try: os.close(os.open(place, os.O_WRONLY | os.O_CREAT)); print(place, 'written')\n"
        "    except OSError as e: print(errno.errorcode[e.errno])\n"
    )
    assert set(running.container.python(tried).split()) <= {"EROFS", "ENOENT", "EACCES"}
    written = "import os; print([m.split()[1] for m in open('/proc/mounts') if 'rw' in m.split()[3].split(',')])"
    assert set(json.loads(running.container.python(written).replace("'", '"'))) <= {
        *("/var/lib/ao", "/media/carried", "/dev/shm", "/dev", "/dev/pts", "/dev/mqueue", "/proc", "/proc/keys"),
        *("/proc/kcore", "/proc/latency_stats", "/proc/timer_list", "/dev/console"),
    }


@pytest.mark.parametrize("program", ["sh", "/bin/sh", "bash", "busybox", "env", "apt", "cat", "ldconfig"])
def test_there_is_no_other_program_in_it(running: Running, program: str) -> None:
    assert running.container.exec(program, "-c", "true", expect=None).exit_code in (126, 127)


def test_what_it_writes_belongs_to_its_user_and_is_nobody_elses(running: Running) -> None:
    state = running.volume / "state"
    assert (state.stat().st_mode & 0o777, state.stat().st_uid) == (0o700, USER)
    assert {path.stat().st_uid for path in state.rglob("*")} == {USER}
    assert (state / "site.key").stat().st_mode & 0o777 == 0o600


def test_whoever_ends_without_a_parent_is_taken_leave_of(running: Running) -> None:
    """The gateway's main process is killed; its workers go with it, and are nobody's but the first process's."""
    find = (
        "import os, signal\n"
        "found = {}\n"
        "for each in filter(str.isdigit, os.listdir('/proc')):\n"
        "    try: stat, command = open(f'/proc/{each}/stat').read(), open(f'/proc/{each}/cmdline').read()\n"
        "    except OSError: continue\n"
        "    state, parent = stat.rpartition(')')[2].split()[:2]\n"
        "    found[int(each)] = (state, int(parent), 'gateway.server' in command)\n"
    )
    serving = f"{find}print([pid for pid, (_, parent, is_it) in found.items() if parent == 1 and is_it])"
    (before,) = json.loads(running.container.python(serving))
    running.container.python(f"import os, signal; os.kill({before}, signal.SIGKILL)")

    def serves_again() -> bool:
        # For a moment there is none: the first process starts the next one.
        after = json.loads(running.container.python(serving))
        return after not in ([], [before]) and running.ready()

    wait_until(serves_again, "it serves again", seconds=60)
    zombies = f"{find}print([pid for pid, (state, _, _) in found.items() if state == 'Z'])"
    wait_until(lambda: running.container.python(zombies) == "[]", "nobody is left behind")


def test_a_stream_under_way_ends_well_when_it_is_stopped_and_the_state_outlives_it(running: Running) -> None:
    command = running.ask("cut-short", stream=True)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/") as call:
        wait_until(lambda: "seen cut-short" in running.notes.read_text(), "the model has been asked", seconds=30)
        running.container.stop()
        out, err = call.communicate(timeout=60)
    assert out.rstrip().endswith(b"data: [DONE]"), (out[-300:], err)
    state = running.container.state()
    assert (state["Status"], state["ExitCode"]) == ("exited", 0), running.container.said()
    running.container.remove()
    running.start()
    wait_until(running.ready, "the next container serves the same site", seconds=60)
    status = running.container.ao("status")
    assert status["site"] == SITE
    assert isinstance(status["usage"], dict)
    assert status["usage"]["since_receipt"][0]["requests"] == 2


def test_usage_goes_out_on_the_stick_and_its_receipt_comes_back(running: Running) -> None:
    running.container.ao("usage", "seal", "--now")
    running.container.ao("media", "exchange", "/media/carried", "--yes")
    (file,) = (running.stick / "AO/to-vendor" / SITE).glob("usage-*.signed.json")
    receipts = running.stick.parent / "receipts"
    receipts.mkdir()
    running.vendor.reconcile([file], receipts)
    (receipt,) = receipts.rglob("receipt-*.signed.json")
    _to_site(running.stick, receipt)
    running.container.ao("media", "exchange", "/media/carried", "--yes")
    usage = running.container.ao("status")["usage"]
    assert isinstance(usage, dict)
    assert (usage["acknowledged_seq"], usage["sealed_seq"], usage["since_receipt"]) == (1, 1, [])


def test_a_support_bundle_is_written_onto_the_stick(running: Running) -> None:
    running.container.exec("ao", "support-bundle", "--yes", "--out", "/media/carried/support.jsonl")
    told = (running.stick / "support.jsonl").read_text()
    assert '"rung":"valid"' in told.replace(" ", "")
    assert running.key not in told
    assert "a-key-for-the-model" not in told


def test_without_a_volume_nothing_is_made_that_would_be_lost(host: ContainerHost, running: Running) -> None:
    """A read-only root and no volume: a site is refused, not kept in a layer that goes with the container."""
    trust = running.stick / "trust.json"
    done = host.run(
        host.podman(
            *(
                "run",
                "--rm",
                "--pull=never",
                "--network=none",
                "--read-only",
                "--read-only-tmpfs=false",
                "--cap-drop=ALL",
            ),
            *("--cgroups=disabled", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"),
            *(f"--volume={trust}:/trust.json:ro", f"{NAME}:{__version__}"),
            *("init", "--site", "other-7", "--name", "Other", "--trust", "/trust.json", "--json"),
        ),
        expect=None,
    )
    assert (done.exit_code, done.error["code"]) == (42, "state_not_writable")
