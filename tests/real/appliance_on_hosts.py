"""The appliance on hosts that have nothing: installed, set up from a stick, upgraded, returned, taken away."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from bundle.facts import read_facts
from bundle.release import describe
from bundle.run_file import header, kibibytes, name_of
from licensing.trust import pin
from tests.installer.releases import changed
from tests.packaging.made import made, runtime_is_kept
from tests.real.booted_host import BootedHost, Ended, host_of, tree_of
from tests.real.filesystems import image, mounted, need, run
from tests.real.site_and_vendor import Vendor

pytestmark = [pytest.mark.real, pytest.mark.timeout(600, func_only=True)]

SITE, MODEL = "plant-7", "assistant"
DENIED, ALLOWED = "203.0.113.7", "10.9.9.9"
CONFIG = f"models:\n  - alias: {MODEL}\n    provider:\n      name: demo\n"
INSTALL = '[install]\nlisten = "0.0.0.0"\nallow = ["10.0.0.0/8"]\n'
ADDS = (
    "CREATE TABLE later (id INTEGER PRIMARY KEY);\n"
    "ALTER TABLE api_keys ADD COLUMN later TEXT;\n"
    "ALTER TABLE ledger ADD COLUMN later TEXT;\n"
)
NEXT_SCHEMA = {"appliance/state/migrations/9000_later.sql": ADDS}
NEVER_READY = {"appliance/gateway/endpoints.py": ("503 if refusal else 200", "503")}
NO_WAY_BACK = {"appliance/state/schema.py": ("RETURNS_TO = 6\n", "RETURNS_TO = 9000\n")}
FACTS = {"schemas": {"state": 9000, "documents": 1}}
# What a host that runs writes by itself, and the copies that useradd keeps of the files that it changes.
BY_ITSELF = (
    *("run", "tmp", "root", "proc", "sys", "dev", "srv", "media", "var/log", "var/cache", "var/tmp", "var/lib/systemd"),
    *("etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-", "etc/subuid-", "etc/subgid-", "etc/.pwd.lock"),
    *("etc/machine-id", "etc/hostname", "etc/resolv.conf", "var/lib/dbus"),
)


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Vendor:
    return Vendor.made(tmp_path_factory.mktemp("vendor"))


@pytest.fixture(scope="module")
def releases(vendor: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """0.1.0 is this checkout, as the file that is carried in; 0.2.0 is no other but by its name; 0.3.0 brings another
    schema, and never says that it is ready; 0.4.0 brings that schema, signed by the vendor; 0.5.0 has no way back."""
    arch = os.uname().machine
    if not runtime_is_kept(arch):
        pytest.skip("no Python for releases is kept here (build it: python packaging/runtime build)")
    folder, first = tmp_path_factory.mktemp("releases"), made(arch)
    assert first.facts.version == "0.1.0", "the others come after this one"
    shutil.copy(first.run_file, folder / "first.run")
    changed(first.tree, folder / "0.2.0", version="0.2.0")
    changed(first.tree, folder / "0.3.0", version="0.3.0", added=NEXT_SCHEMA, facts=FACTS, edits=NEVER_READY)
    fourth = changed(first.tree, folder / "0.4.0", version="0.4.0", added=NEXT_SCHEMA, facts=FACTS)
    changed(first.tree, folder / "0.5.0", version="0.5.0", added=NEXT_SCHEMA, facts=FACTS, edits=NO_WAY_BACK)
    delivery = folder / "delivery"
    file = carried_in(fourth, delivery)
    unsigned = describe(delivery, [read_facts(fourth)], [file])
    vendor.command("release", "sign", str(unsigned), "--out", str(delivery / "release.json"))
    return folder


def carried_in(tree: Path, into: Path) -> Path:
    """The file that the bundle would make, packed with less patience."""
    into.mkdir()
    facts, payload = read_facts(tree), into / "payload"
    with tarfile.open(payload, "w:gz", compresslevel=1) as archive:
        for each in sorted(tree.iterdir()):
            archive.add(each, each.name)
    file = into / name_of(facts)
    file.write_bytes(header(facts, payload, room=kibibytes(tree)) + payload.read_bytes())
    payload.unlink()
    return file


@pytest.fixture
def stick(tmp_path: Path) -> Iterator[Path]:
    need("mkfs.vfat", "fusefat")
    file = image(tmp_path, 64)
    run("mkfs.vfat", "-F", "32", file)
    with mounted(["fusefat", "-o", "rw+,allow_other", file, tmp_path / "stick"], tmp_path / "stick") as at:
        yield at


@dataclass
class Story:
    """A host, the stick that is in it, the vendor far away, and what took how long."""

    host: BootedHost
    stick: Path
    vendor: Vendor
    releases: Path
    took: dict[str, float] = field(default_factory=dict)
    key: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)

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

    def log(self) -> str:
        return self.host.run("journalctl", "-u", "ao", "--no-pager", "-n", "40", check=False).out

    def version(self) -> str:
        return (self.host.folder / "opt/ao/current").readlink().name

    def seconds(self, name: str, since: float) -> None:
        self.took[name] = round(time.monotonic() - since, 2)

    @contextmanager
    def asking(self, address: str = "127.0.0.1") -> Iterator[subprocess.Popen[bytes]]:
        """Somebody's program asks on and on, over OpenAI's client."""
        arguments = ("-m", "tests.real.asks_on_and_on", f"http://{address}:8080/v1", self.key, MODEL)
        # A file, because a pipe that nobody reads from makes its writer wait.
        with tempfile.TemporaryFile() as out:
            client = self.host.start_outside(sys.executable, *arguments, out=out)
            try:
                try:
                    wait_for(client, lambda: b'"id"' in _read(out))
                except AssertionError as fault:
                    raise AssertionError(f"nobody was answered: {_read(out)[-500:]!r}\n{self.log()}") from fault
                yield client
            finally:
                _, err = client.communicate(timeout=60)
                assert client.returncode == 0, err
                self.calls += [json.loads(line) for line in _read(out).splitlines()]

    def answered(self) -> list[str]:
        return [each["id"] for each in self.calls if "id" in each]

    def longest_gap(self, since: int) -> float:
        times = [float(each["at"]) for each in self.calls[since:] if "id" in each]
        return max(later - earlier for earlier, later in pairwise(times))


def install(story: Story) -> None:
    (story.stick / "install.toml").write_text(INSTALL)
    dry = story.release("0.2.0", "install", "--answers", "/media/usb/install.toml", "--dry-run")
    assert len(dry["steps"]) > 15
    assert not (story.host.folder / "opt/ao").exists()
    begun = time.monotonic()
    story.host.run("sh", "/srv/releases/first.run", "--answers", "/media/usb/install.toml")
    story.seconds("install from the .run", begun)
    assert story.version() == "0.1.0"
    told = story.host.run("systemd-analyze", "security", "--no-pager", "ao.service", check=False).out
    score = float(told.split("Overall exposure level for ao.service:")[1].split()[0])
    assert score < 2.0, told


def set_up(story: Story) -> None:
    """The first run without anybody, then licence and config, all over the stick."""
    trust = story.vendor.trust_file.read_bytes()
    (story.stick / "trust.json").write_bytes(trust)
    (story.stick / "password").write_text("no-such-words-in-lists-7\n")
    (story.stick / "setup.toml").write_text(
        f'[site]\nid = "{SITE}"\nname = "Plant 7"\ntrust_digest = "{pin(trust).digest}"\n'
        'trust = "/media/usb/trust.json"\n'
        '[administrator]\nname = "anna"\npassword_file = "/media/usb/password"\nenrolment_file = "/root/enrolment"\n'
        '[request]\nout = "/media/usb/request.json"\n[listen]\nhost = "0.0.0.0"\nport = "8080"\n'
    )
    story.ao("setup", "--answers", "/media/usb/setup.toml")
    story.vendor.issue(story.stick / "request.json", story.stick / "licence.json", "--add-on", "demo")
    story.vendor.sign_config(CONFIG, SITE, story.stick / "config.yaml.signed")
    story.ao("licence", "import", "/media/usb/licence.json")
    story.ao("config", "import", "/media/usb/config.yaml.signed", "--yes")
    story.key = story.ao("keys", "create", "--name", "first-app", "--team", "apps")["key"]
    owners = {path.stat().st_uid for path in (story.host.folder / "var/lib/ao").rglob("*")}
    assert owners == {(story.host.folder / "var/lib/ao").stat().st_uid}, "what root does belongs to the state's owner"
    begun = time.monotonic()
    story.host.run("systemctl", "start", "ao")
    with story.asking():
        story.seconds("start to first answer", begun)
    assert story.answered()


def addresses_are_kept_to(story: Story) -> None:
    """And only by the policy: without it, the same packets arrive."""
    for address in (DENIED, ALLOWED):
        story.host.on_its_network("ip", "addr", "add", f"{address}/32", "dev", "lo")
    with story.asking(ALLOWED):
        pass
    probe = f"import socket; socket.create_connection(('{DENIED}', 8080), 2)"
    connect = ("/opt/ao/current/runtime/bin/python3", "-c", probe)
    assert "timed out" in story.host.run(*connect, check=False).err
    without = story.host.folder / "etc/systemd/system/ao.service.d/90-local.conf"
    without.write_text("[Service]\nIPAddressDeny=\n")
    story.host.run("systemctl", "daemon-reload")
    story.host.run("systemctl", "restart", "ao")
    with story.asking(ALLOWED) as client:
        wait_for(client, lambda: story.host.run(*connect, check=False).exit_code == 0)
    without.unlink()
    story.host.run("systemctl", "daemon-reload")
    story.host.run("systemctl", "restart", "ao")


def a_file_that_the_vendor_did_not_sign_is_refused(story: Story) -> None:
    other = story.host.folder / "root/other"
    other.mkdir()
    (other / "release.json").write_bytes((story.releases / "delivery/release.json").read_bytes())
    name = next((story.releases / "delivery").glob("*.run")).name
    (other / name).write_bytes(b"#!/bin/sh\ntouch /root/has-run\n")
    assert story.ao("upgrade", f"/root/other/{name}", expect=10)["error"]["code"] == "document_malformed"
    assert not (story.host.folder / "root/has-run").exists()
    assert list((story.host.folder / "opt/ao").glob(".carried-in-*")) == []


def upgrade(story: Story, version: str) -> None:
    """With the file that the vendor signed, where there is one; else as the release's own installer does it."""
    before, was = len(story.calls), story.version()
    signed = next(iter((story.releases / "delivery").glob(f"*-{version}-*.run")), None)
    with story.asking():
        if signed is not None:
            done = story.ao("upgrade", f"/srv/releases/delivery/{signed.name}")
        else:
            done = story.release(version, "install", "--upgrade")
    assert (done["from"], done["to"], story.version()) == (was, version, version)
    story.took[f"away, {was} to {version}"] = round(done["away_seconds"], 2)
    story.took[f"gap seen by a client, {was} to {version}"] = round(story.longest_gap(before), 2)
    assert "id" in story.calls[-1]


def an_upgrade_that_fails(story: Story) -> None:
    """0.3.0 migrates, serves, and never says that it is ready. What it took and what was made meanwhile stays."""
    before, was = len(story.calls), story.version()
    with story.asking():
        going = story.host.start("/srv/releases/0.3.0/bin/ao", "install", "--upgrade", "--wait", "20", "--json")
        migrated = story.host.folder / "var/lib/ao/ao.db"
        wait_for(going, lambda: schema_of(migrated) == 9000)
        wait_for(going, lambda: story.host.on_its_network("ss", "-Hltn", "sport = :8080").strip() != "")
        fresh = story.ao("keys", "create", "--name", "made-meanwhile", "--team", "apps")
        out, err = going.communicate(timeout=120)
    assert going.returncode == 118, (out, err)
    assert json.loads(out)["error"]["code"] == "upgrade_returned"
    assert story.version() == was
    assert schema_of(migrated) < 9000
    story.took["gap seen by a client, failed upgrade"] = round(story.longest_gap(before), 2)
    story.key = fresh["key"]
    with story.asking():
        pass  # the key that was made under the failed release works under the old one


def rollback(story: Story, to: str) -> None:
    before, was = len(story.calls), story.version()
    with story.asking():
        done = story.ao("rollback")
    assert (done["from"], done["to"], story.version()) == (was, to, to)
    story.took[f"gap seen by a client, back from {was} to {to}"] = round(story.longest_gap(before), 2)


def every_answer_is_in_the_books(story: Story) -> None:
    """Under whichever release it was given, and whatever became of the state since."""
    story.host.run("systemctl", "stop", "ao")
    with closing(sqlite3.connect(story.host.folder / "var/lib/ao/ao.db")) as database:
        booked = [row[0] for row in database.execute("SELECT id FROM ledger")]
    assert set(story.answered()) <= set(booked)
    assert len(set(story.answered())) == len(story.answered())
    story.host.run("systemctl", "start", "ao")


def uninstall(story: Story) -> None:
    refused = story.ao("uninstall", "--purge", "--yes", expect=119)
    assert refused["error"]["code"] == "usage_unsaved"
    gone = story.ao("uninstall", "--purge", "--yes", "--usage-to", "/media/usb")
    (told,) = [Path(each).name for each in gone["usage"]]
    story.vendor.reconcile([story.stick / told], story.stick)


@pytest.mark.parametrize("suite", ["bookworm", "bullseye"])
def test_a_host_gets_the_appliance_and_is_rid_of_it(
    suite: str, releases: Path, vendor: Vendor, stick: Path, tmp_path: Path
) -> None:
    whole = suite == "bookworm"  # the older one goes the same way, without its turnings
    with host_of(suite, tmp_path, {"/srv/releases": releases, "/media/usb": stick}) as host:
        story = Story(host, stick, vendor, releases)
        host.boot()
        before = tree_of(host.folder, without=BY_ITSELF)
        install(story)
        set_up(story)
        addresses_are_kept_to(story)
        an_upgrade_that_fails(story)
        a_file_that_the_vendor_did_not_sign_is_refused(story)
        upgrade(story, "0.4.0")
        rollback(story, "0.1.0")
        if whole:
            upgrade(story, "0.2.0")
            upgrade(story, "0.5.0")
            assert story.ao("rollback", expect=117)["error"]["code"] == "upgrade_refused"
            assert story.release("0.4.0", "install", "--upgrade", expect=117)["error"]["code"] == "upgrade_refused"
        every_answer_is_in_the_books(story)
        host.power_off()
        begun = time.monotonic()
        host.boot()
        with story.asking():
            story.seconds("power on to first answer", begun)
        uninstall(story)
        assert differences(before, tree_of(host.folder, without=BY_ITSELF)) == {}
        host.power_off()
    print(f"\n{suite}: {json.dumps(story.took, indent=1)}")


def _read(file: BinaryIO) -> bytes:
    """All of it, without moving where others write."""
    return os.pread(file.fileno(), 2**26, 0)


def differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, object]:
    names = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    return {name: ("gone" if name not in after else "new" if name not in before else "changed") for name in names}


def schema_of(database: Path) -> int:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def wait_for(going: subprocess.Popen[bytes], condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert going.poll() is None, going.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
