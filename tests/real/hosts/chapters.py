"""What happens to an appliance on a host, a chapter each: every one asserts what holds when it is over."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from licensing.trust import pin
from tests.real.hosts.booted_host import tree_of
from tests.real.hosts.releases import NEWER
from tests.real.hosts.story import HELD_MODEL, HELD_PORT, MODEL, SITE, Story

DENIED, ALLOWED = "203.0.113.7", "10.9.9.9"
HELD_KEY = "sk-held-9f27c1"
PASSWORD = "no-such-words-in-lists-7"
CONFIG = f"""\
models:
  - alias: {MODEL}
    provider:
      name: demo
  - alias: {HELD_MODEL}
    provider:
      name: openai-compatible
      model: {HELD_MODEL}
      api_base: http://127.0.0.1:{HELD_PORT}/v1
      api_key: ${{HELD_KEY}}
"""
INSTALL = '[install]\nlisten = "0.0.0.0"\nallow = ["10.0.0.0/8"]\n'
SETUP = """\
[site]
id = "{site}"
name = "Plant 7"
trust_digest = "{digest}"
trust = "/media/usb/trust.json"
[administrator]
name = "anna"
password_file = "/media/usb/password"
enrolment_file = "/root/enrolment"
[request]
out = "/media/usb/request.json"
[listen]
host = "0.0.0.0"
port = "8080"
"""
# What a host that runs writes by itself, and the copies that useradd keeps of the files that it changes.
BY_ITSELF = (
    *("run", "tmp", "root", "proc", "sys", "dev", "srv", "media", "var/log", "var/cache", "var/tmp", "var/lib/systemd"),
    *("etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-", "etc/subuid-", "etc/subgid-", "etc/.pwd.lock"),
    *("etc/machine-id", "etc/hostname", "etc/resolv.conf", "var/lib/dbus"),
)
SECRETS = "/etc/ao/secrets"
PYTHON = "/opt/ao/current/runtime/bin/python3"
AS_BEFORE_247 = """\
from dataclasses import replace
from installer import plan
from installer.ground import standing_on
from installer.host import look_at_host
from installer.layout import USER, Layout
from installer.steps import Owner, ReloadUnits
with standing_on(Layout(), print, make=False) as ground:
    host = replace(look_at_host(ground.layout, ground.programs), systemd=245)
    files = plan.unit_files(host, ground.answers())
    ground.performer.perform((*plan.folders(host, Owner(USER, USER)), *files, ReloadUnits()))
"""


Looked = dict[str, tuple[object, ...]]


def everything(story: Story) -> Looked:
    """Every name on the host, but for what it writes by itself."""
    return tree_of(story.host.folder, without=BY_ITSELF)


def differences(before: Looked, after: Looked) -> dict[str, str]:
    names = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    return {name: ("gone" if name not in after else "new" if name not in before else "changed") for name in names}


def it_answers_after_power_on(story: Story) -> None:
    """Nobody has started it."""
    with story.asking():
        story.took["power on to first answer"] = round(story.first_answer() - story.powered_on, 2)


def install(story: Story) -> None:
    (story.stick / "install.toml").write_text(INSTALL)
    begun = time.monotonic()
    story.host.run("sh", "/srv/releases/first.run", "--answers", "/media/usb/install.toml")
    story.seconds("install from the .run", begun)
    assert story.version() == "0.1.0"


def a_dry_run_does_nothing(story: Story) -> None:
    (story.stick / "install.toml").write_text(INSTALL)
    dry = story.release(story.others()[0], "install", "--answers", "/media/usb/install.toml", "--dry-run")
    assert len(dry["steps"]) > 15
    assert not (story.host.folder / "opt/ao").exists()


def a_host_without_libgcc_is_told_so(story: Story) -> None:
    """Its file is hidden from this one command, by a mount that nobody else sees."""
    (library,) = {each.resolve() for each in (story.host.folder / "usr/lib").rglob("libgcc_s.so.1")} or {
        each.resolve() for each in (story.host.folder / "lib").rglob("libgcc_s.so.1")
    }
    inside = "/" + library.relative_to(story.host.folder.resolve()).as_posix()
    script = f"mount --bind /dev/null {inside} && exec sh /srv/releases/first.run --preflight"
    refused = story.host.run("unshare", "-m", "sh", "-c", script, check=False)
    assert refused.exit_code == 40, refused
    assert "libgcc_s.so.1" in refused.err
    assert "Traceback" not in refused.err


def the_unit_is_hardened(story: Story) -> None:
    told = story.host.run("systemd-analyze", "security", "--no-pager", "ao.service", check=False).out
    score = float(told.split("Overall exposure level for ao.service:")[1].split()[0])
    assert score < 2.0, told


def set_up(story: Story) -> None:
    """The first run without anybody, then licence and config, all over the stick."""
    trust = story.vendor.trust_file.read_bytes()
    (story.stick / "trust.json").write_bytes(trust)
    (story.stick / "password").write_text(f"{PASSWORD}\n")
    (story.stick / "setup.toml").write_text(SETUP.format(site=SITE, digest=pin(trust).digest))
    story.ao("setup", "--answers", "/media/usb/setup.toml")
    story.vendor.issue(story.stick / "request.json", story.stick / "licence.json", "--add-on", "demo")
    story.vendor.sign_config(CONFIG, SITE, story.stick / "config.yaml.signed")
    story.ao("licence", "import", "/media/usb/licence.json")
    put_secret(story)
    story.ao("config", "import", "/media/usb/config.yaml.signed", "--yes")
    story.key = story.ao("keys", "create", "--name", "first-app", "--team", "apps")["key"]
    owners = {path.stat().st_uid for path in (story.host.folder / "var/lib/ao").rglob("*")}
    assert owners == {(story.host.folder / "var/lib/ao").stat().st_uid}, "what root does belongs to the state's owner"
    assert story.ao("install")["started"], "with a site, and its secret told to the unit"
    story.host.run("systemctl", "stop", "ao")
    begun = time.monotonic()
    story.host.run("systemctl", "start", "ao")
    with story.asking():
        story.seconds("start to first answer", begun)


def put_secret(story: Story) -> None:
    file = story.host.folder / "etc/ao/secrets/HELD_KEY"
    file.write_text(f"{HELD_KEY}\n")
    file.chmod(0o600)


def secrets_are_credentials(story: Story) -> None:
    """They reach the model server, through the gateway alone: its user cannot read the files."""
    _is_a_credential(story)
    _secret_is_sent(story)
    assert story.host.run(*_as("ao"), "cat", f"{SECRETS}/HELD_KEY", check=False).exit_code != 0


def secrets_without_credentials(story: Story) -> None:
    """What is written for a systemd before 247, on this one: the gateway reads the folder, and nobody else does."""
    story.host.run(PYTHON, "-I", "-B", "-c", AS_BEFORE_247)
    # As INSTALLING.md tells whoever puts a secret there.
    story.host.run("chown", "root:ao", f"{SECRETS}/HELD_KEY")
    story.host.run("chmod", "0640", f"{SECRETS}/HELD_KEY")
    story.host.run("systemctl", "restart", "ao")
    with story.asking():
        assert "\nLoadCredential=" not in story.host.run("systemctl", "cat", "ao").out
        assert _environment(story)["CREDENTIALS_DIRECTORY"] == SECRETS
    _secret_is_sent(story)
    assert story.host.run(*_as("nobody"), "cat", f"{SECRETS}/HELD_KEY", check=False).exit_code != 0
    story.ao("install")
    story.host.run("systemctl", "restart", "ao")
    with story.asking():
        _is_a_credential(story)


def _is_a_credential(story: Story) -> None:
    folder = _environment(story)["CREDENTIALS_DIRECTORY"]
    assert folder.startswith("/run/credentials/")
    assert story.host.run("ls", folder).out.split() == ["HELD_KEY"]


def _secret_is_sent(story: Story) -> None:
    noted = story.upstream / "authorizations"
    noted.unlink(missing_ok=True)
    with story.asking(model=HELD_MODEL):
        pass
    assert set(noted.read_text().splitlines()) == {f"Bearer {HELD_KEY}"}


def _as(user: str) -> tuple[str, ...]:
    return ("setpriv", f"--reuid={user}", f"--regid={user if user == 'ao' else 'nogroup'}", "--clear-groups")


def _environment(story: Story) -> dict[str, str]:
    """Of the gateway's main process."""
    main = story.host.run("systemctl", "show", "ao", "-p", "MainPID", "--value").out.strip()
    told = story.host.run("cat", f"/proc/{main}/environ").out
    return dict(each.split("=", 1) for each in told.split("\0") if each)


_POLICIES = """
import os, pathlib, sys
left = [sys.argv[1]]
while left:
    for task in pathlib.Path(f"/proc/{left.pop()}/task").iterdir():
        print(os.sched_getscheduler(int(task.name)))
        left += (task / "children").read_text().split()
"""


def threads_take_turns(story: Story) -> None:
    """The filter of system calls keeps the gateway from asking for that itself: the unit has it so."""
    main = story.host.run("systemctl", "show", "ao", "-p", "MainPID", "--value").out.strip()
    policies = story.host.run(PYTHON, "-c", _POLICIES, main).out.split()
    assert len(policies) > 4, "more than one process, with more than one thread"
    assert set(policies) == {str(os.SCHED_BATCH)}


def addresses_are_kept_to(story: Story) -> None:
    """And only by the policy: without it, the same packets arrive."""
    for address in (DENIED, ALLOWED):
        story.host.on_its_network("ip", "addr", "add", f"{address}/32", "dev", "lo")
    with story.asking(ALLOWED):
        pass
    probe = f"import socket; socket.create_connection(('{DENIED}', 8080), 2)"
    connect = (PYTHON, "-c", probe)
    assert "timed out" in story.host.run(*connect, check=False).err
    without = story.host.folder / "etc/systemd/system/ao.service.d/90-local.conf"
    without.write_text("[Service]\nIPAddressDeny=\n")
    story.host.run("systemctl", "daemon-reload")
    story.host.run("systemctl", "restart", "ao")
    with story.asking(ALLOWED):
        story.wait_for(lambda: story.host.run(*connect, check=False).exit_code == 0, "nothing is denied any more")
    without.unlink()
    story.host.run("systemctl", "daemon-reload")
    story.host.run("systemctl", "restart", "ao")


def a_file_that_the_vendor_did_not_sign_is_refused(story: Story) -> None:
    other = story.host.folder / "root/other"
    other.mkdir()
    (other / "release.json").write_bytes((story.releases.folder / "delivery/release.json").read_bytes())
    name = next((story.releases.folder / "delivery").glob("*.run")).name
    (other / name).write_bytes(b"#!/bin/sh\ntouch /root/has-run\n")
    assert story.ao("upgrade", f"/root/other/{name}", expect=10)["error"]["code"] == "document_malformed"
    assert not (story.host.folder / "root/has-run").exists()
    assert list((story.host.folder / "opt/ao").glob(".carried-in-*")) == []


def upgrade(story: Story, version: str) -> None:
    """As the release's own installer does it."""
    before, was = len(story.answered()), story.version()
    with story.asking():
        done = story.release(version, "install", "--upgrade")
    _switched(story, done, was, version, before)


def upgrade_with_a_stream_under_way(story: Story, version: str) -> None:
    """With the file that the vendor signed: what was begun before is finished, then the releases change."""
    before, was = len(story.answered()), story.version()
    with story.asking():
        stream = story.begin_stream()
        going = story.host.start("ao", "upgrade", f"/srv/releases/delivery/{story.releases.file_of(version)}", "--json")
        story.wait_for(lambda: story.unit_is() == "deactivating", "the gateway is stopped", going)
        assert story.stream_is_under_way()
        assert story.version() == was
        said = story.let_stream_go_on(stream)
        out, err = going.communicate(timeout=120)
    assert going.returncode == 0, (out, err, story.log())
    _is_whole(said)
    _switched(story, json.loads(out), was, version, before)
    story.streams[stream] = 7


def an_upgrade_that_is_killed(story: Story, version: str) -> None:
    """`kill -9` while exchanges finish: they do. The next run goes back first, then up."""
    was = story.version()
    command = ("ao", "upgrade", f"/srv/releases/delivery/{story.releases.file_of(version)}")
    with story.asking():
        stream = story.begin_stream()
        going = story.host.start(*command, "--json")
        story.wait_for(lambda: story.unit_is() == "deactivating", "the gateway is stopped", going)
        (installer,) = _children(going.pid)
        os.kill(installer, signal.SIGKILL)
        going.communicate(timeout=30)
        _is_whole(story.let_stream_go_on(stream))
        story.wait_for(lambda: story.unit_is() == "inactive", "the gateway has ended")
        assert story.version() == was
        again = story.host.run(*command)
    assert f"`ao upgrade` was cut off: going back to {was} first" in again.err
    assert story.version() == version
    story.streams[stream] = 7


def _is_whole(said: list[str]) -> None:
    *events, done = said
    assert done == "[DONE]"
    found = [json.loads(each) for each in events]
    words = "".join(choice["delta"].get("content", "") for each in found for choice in each["choices"])
    assert words == "one two three four"


def _switched(story: Story, done: dict[str, Any], was: str, version: str, before: int) -> None:
    assert (done["from"], done["to"], story.version()) == (was, version, version)
    story.took[f"away, {was} to {version}"] = round(done["away_seconds"], 2)
    story.took[f"gap seen by a client, {was} to {version}"] = story.longest_gap(before)


def an_upgrade_that_is_never_ready(story: Story, version: str) -> None:
    """It migrates, serves, and never says that it is ready. What it took and what was made meanwhile stays."""
    before, was = len(story.answered()), story.version()
    with story.asking():
        going = story.host.start(f"/srv/releases/{version}/bin/ao", "install", "--upgrade", "--wait", "20", "--json")
        story.wait_for(lambda: story.schema() == NEWER, "the state is migrated", going)
        listening = ("ss", "-Hltn", "sport = :8080")
        story.wait_for(lambda: story.host.on_its_network(*listening).strip() != "", "it listens", going)
        fresh = story.ao("keys", "create", "--name", "made-meanwhile", "--team", "apps")
        out, err = going.communicate(timeout=120)
    assert going.returncode == 118, (out, err)
    assert json.loads(out)["error"]["code"] == "upgrade_returned"
    assert story.version() == was
    assert story.schema() < NEWER
    story.took["gap seen by a client, failed upgrade"] = story.longest_gap(before)
    story.key = fresh["key"]
    with story.asking():
        pass  # the key that was made under the failed release works under the old one


def an_upgrade_that_loses_an_exchange(story: Story, version: str) -> None:
    """It serves well, and one row of the ledger is gone: the release before comes back, with that row."""
    before, was = len(story.answered()), story.version()
    with story.asking():
        error = story.release(version, "install", "--upgrade", expect=118)["error"]
    assert error["code"] == "upgrade_returned"
    assert "lack what was in them before (exchanges: 1)" in error["message"]
    assert story.version() == was
    assert story.schema() < NEWER
    story.took["gap seen by a client, failed upgrade"] = story.longest_gap(before)


def rollback(story: Story, to: str) -> None:
    before, was = len(story.answered()), story.version()
    with story.asking():
        done = story.ao("rollback")
    assert (done["from"], done["to"], story.version()) == (was, to, to)
    story.took[f"gap seen by a client, back from {was} to {to}"] = story.longest_gap(before)


def no_way_down_across_a_schema(story: Story, older: str) -> None:
    """Neither back to the release before, nor to one that is newer by its name; the reason names both schemas."""
    was, schema = story.version(), story.schema()
    back = story.ao("rollback", expect=117)["error"]
    assert back["code"] == "upgrade_refused"
    assert f"The state has schema {NEWER}" in back["message"]
    assert f"the oldest schema that it can return to is {NEWER}" in back["message"]
    down = story.release(older, "install", "--upgrade", expect=117)["error"]
    assert down["code"] == "upgrade_refused"
    assert "an upgrade never goes down" in down["message"]
    assert (story.version(), story.schema(), story.unit_is()) == (was, schema, "active")


def every_answer_is_in_the_books(story: Story) -> None:
    """Under whichever release it was given, and whatever became of the state since."""
    story.host.run("systemctl", "stop", "ao")
    with closing(sqlite3.connect(story.host.folder / "var/lib/ao/ao.db")) as database:
        booked = dict(database.execute("SELECT id, prompt_tokens + completion_tokens FROM ledger"))
    assert story.answered()
    assert set(story.answered()) <= booked.keys()
    assert len(set(story.answered())) == len(story.answered())
    assert {name: booked[name] for name in story.streams} == story.streams
    story.host.run("systemctl", "start", "ao")


def a_support_bundle_holds_no_secret(story: Story) -> None:
    """Of a host that has lived: its logs, its metrics, its units."""
    (story.stick / "support.jsonl").unlink(missing_ok=True)
    story.ao("support-bundle", "--yes", "--out", "/media/usb/support.jsonl")
    text = (story.stick / "support.jsonl").read_text()
    assert f'"{story.version()}"' in text
    assert "LoadCredential" in text or "ao.service" in text
    for secret in (HELD_KEY, story.key, PASSWORD):
        assert secret not in text


def a_certificate_is_taken_up_by_systemctl_reload(story: Story) -> None:
    """From here on the host speaks TLS. What the site's own authority signed is presented; a spoilt pair is not."""
    story.ao("tls", "init-ca", "--name", "Plant 7 CA", "--permit-dns", "plant-7.internal")
    first = _issued(story)
    settings = story.host.folder / "etc/ao/settings.toml"
    lines = [f"{name} = {json.dumps(first[name])}\n" for name in ("tls_certificate", "tls_key")]
    settings.write_text("".join(lines) + settings.read_text())
    story.host.run("systemctl", "restart", "ao")
    story.wait_for(lambda: story.host.run("ao", "healthcheck", "--ready", check=False).exit_code == 0, "it serves TLS")
    assert _presented(story) == first["certificate"]["sha256"]
    second = _issued(story)
    assert second["named_in_settings"] is True
    story.host.run("systemctl", "reload", "ao")
    assert _presented(story) == second["certificate"]["sha256"] != first["certificate"]["sha256"]
    key = story.host.folder / str(second["tls_key"]).removeprefix("/").replace("current", _current(story))
    key.write_text("spoilt")
    assert story.host.run("systemctl", "reload", "ao", check=False).exit_code != 0
    assert "certificate_refused" in story.log()
    assert _presented(story) == second["certificate"]["sha256"]
    assert story.unit_is() == "active"
    state, authority = story.host.folder / "var/lib/ao", story.host.folder / "etc/ao/ca"
    assert {each.stat().st_uid for each in (state / "tls").rglob("*.pem")} == {state.stat().st_uid}
    assert (authority.stat().st_uid, authority.stat().st_mode & 0o777) == (0, 0o700), "the gateway's user cannot sign"


def _issued(story: Story) -> dict[str, Any]:
    return story.ao("tls", "issue", "--dns", "gw.plant-7.internal")


def _current(story: Story) -> str:
    return (story.host.folder / "var/lib/ao/tls/current").readlink().name


def _presented(story: Story) -> str:
    """The SHA-256 of what the listener presents."""
    script = (
        "import hashlib, ssl; seen = ssl.get_server_certificate(('127.0.0.1', 8080)); "
        "print(hashlib.sha256(ssl.PEM_cert_to_DER_cert(seen)).hexdigest())"
    )
    seen = story.host.run(PYTHON, "-c", script).out.strip().upper()
    return ":".join(seen[i : i + 2] for i in range(0, len(seen), 2))


def back_up(story: Story) -> None:
    """What is not in it is said, by name and without what it holds."""
    (story.stick / "passphrase").write_text("nine words that nobody else has thought of yet\n")
    with story.asking():
        told = story.ao("backup", "/media/usb/site.backup", "--passphrase-file", "/media/usb/passphrase")
    assert told["outside"] == {
        "settings": "/etc/ao/settings.toml",
        "files": [],
        "secrets": [{"name": "HELD_KEY", "where": f"{SECRETS}/HELD_KEY"}],
    }
    assert HELD_KEY not in json.dumps(told)


def restore_on_a_fresh_host(story: Story) -> None:
    """With what the backup and its telling name, and a licence for the new epoch."""
    install(story)
    told = story.ao("restore", "/media/usb/site.backup", "--passphrase-file", "/media/usb/passphrase")
    assert told["secrets_lacking"] == ["HELD_KEY"]
    story.host.run("systemctl", "start", "ao", check=False)
    story.wait_for(lambda: story.unit_is() == "failed", "nothing is served before the vendor has licensed it")
    request = story.host.folder / told["request"].lstrip("/")
    story.vendor.issue(request, story.stick / "again.json", "--re-enrol", "--add-on", "demo")
    story.ao("licence", "import", "/media/usb/again.json")
    put_secret(story)
    story.host.run("systemctl", "reset-failed", "ao")
    assert story.ao("install")["started"]
    with story.asking():
        pass  # with the key from before
    _secret_is_sent(story)


def uninstall(story: Story) -> None:
    refused = story.ao("uninstall", "--purge", "--yes", expect=119)
    assert refused["error"]["code"] == "usage_unsaved"
    gone = story.ao("uninstall", "--purge", "--yes", "--usage-to", "/media/usb")
    assert "ao-" not in story.host.run("ls", "/dev/shm").out, "nor in memory"
    (told,) = [Path(each).name for each in gone["usage"]]
    story.vendor.reconcile([story.stick / told], story.stick)


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []
