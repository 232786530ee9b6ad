"""The first run, as a person goes through it and from a file: real commands on a real state folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from appliance.state.site import open_site
from installer.errors import AnswerRefused, ReleaseRefused
from installer.first_run.request import check_place
from installer.first_run.settings_file import put_members
from installer.first_run.setup import ANSWERS, STEPS
from installer.first_run.site import spelt
from installer.first_run.step import Here
from installer.preflight.gather import HostFiles
from installer.release_command import ReleaseCommand
from licensing.site_request import open_site_request
from licensing.trust import pin
from tests.appliance.gateways import free_port
from tests.appliance.papers import trust_bytes
from tests.installer.first_run.person import Person, at_terminal
from tests.rules.tree import ROOT

AO = Path(sys.executable).with_name("ao")
DIGEST = pin(trust_bytes()).digest
PASSWORD = "tram gravel onion 47 lantern"
KNOWS_ADMINISTRATORS = subprocess.run([AO, "admins", "--help"], capture_output=True, check=False).returncode == 0
EVERY_STEP = {step.name: "done" for step in STEPS} | (
    {} if KNOWS_ADMINISTRATORS else {"administrator": "nothing to do"}
)
PLAIN = EVERY_STEP | {"certificate": "nothing to do"}


class Host:
    """A host to be set up: a stick with the vendor's trust, and nothing else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state, self.settings, self.stick = folder / "state", folder / "etc" / "settings.toml", folder / "stick"
        self.stick.mkdir()
        self.trust = self.stick / "trust.json"
        self.trust.write_bytes(trust_bytes())
        self.request = self.stick / "site-request.signed.json"
        self.port = free_port()
        self.password, self.enrolment = folder / "password", folder / "enrolment"
        self.password.write_text(PASSWORD + "\n")
        self.password.chmod(0o600)
        self.environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(folder)}
        self.words = [sys.executable, "-m", "tests.installer.commands", "setup"]
        self.words += ["--state-dir", str(self.state), "--settings", str(self.settings), "--ao", str(AO)]

    def answers(self, **changes: Any) -> Path:
        """A file of answers; `changes` by name, with two underscores for the dot; None leaves one out."""
        given: dict[str, Any] = {
            "site.id": "harbour-hospital",
            "site.name": "Harbour Hospital, basement",
            "site.trust": str(self.trust),
            "site.trust_digest": DIGEST,
            "listen.host": "127.0.0.1",
            "listen.port": self.port,
            "administrator.name": "anna",
            "administrator.password_file": str(self.password),
            "administrator.enrolment_file": str(self.enrolment),
            "request.out": str(self.request),
        }
        given |= {name.replace("__", "."): value for name, value in changes.items()}
        tables: dict[str, list[str]] = {}
        for name, value in given.items():
            table, _, member = name.partition(".")
            if value is not None:
                tables.setdefault(table, []).append(f"{member} = {json.dumps(value)}")
        file = self.folder / "answers.toml"
        file.write_text("".join(f"[{table}]\n" + "".join(f"{line}\n" for line in of) for table, of in tables.items()))
        return file

    def set_up(self, *more: str, **changes: Any) -> subprocess.CompletedProcess[str]:
        return self.run("--answers", str(self.answers(**changes)), *more)

    def run(self, *more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.words, *more],
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def where(self) -> list[str]:
        return ["--state-dir", str(self.state), "--settings", str(self.settings)]

    @property
    def here(self) -> Here:
        release = ReleaseCommand(AO, self.state, self.settings, self.environment)
        return Here(release, self.settings, [self.stick], HostFiles(), datetime.now(UTC))

    def site(self) -> str:
        with closing(open_site(self.state)) as site:
            return site.id


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def files_below(folder: Path) -> Mapping[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def states(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    return {each["step"]: each["state"] for each in json.loads(done.stdout)["steps"]}


def test_a_file_of_answers_makes_a_site_and_a_second_time_changes_nothing(host: Host) -> None:
    first = host.set_up("--json")
    assert first.returncode == 0, first
    assert states(first) == PLAIN
    assert host.site() == "harbour-hospital"
    assert tomllib.loads(host.settings.read_text()) == {"host": "127.0.0.1", "port": host.port}
    with closing(open_site(host.state)) as site:
        key = site.key.public_key.keyid
    assert open_site_request(host.request.read_bytes()).claims.key.key.keyid == key
    if KNOWS_ADMINISTRATORS:
        assert host.enrolment.stat().st_mode & 0o777 == 0o600
        assert "otpauth://totp/" in host.enrolment.read_text()
        assert "otpauth" not in first.stdout + first.stderr
    assert PASSWORD not in first.stdout + first.stderr
    before = files_below(host.folder)
    again = host.set_up("--json")
    assert again.returncode == 0, again
    assert states(again)["site"] == "was done"
    order = ["licence import", "config import", "keys create", "systemctl enable", f":{host.port}/v1/models", "status"]
    told = "\n".join(json.loads(again.stdout)["next"])
    assert [told.index(each) for each in order] == sorted(told.index(each) for each in order)
    shown = host.run("--show")
    assert shown.stdout.splitlines()[0].startswith("done  This site")
    assert shown.stdout.splitlines()[1].startswith("open  Where the gateway listens"), "at 127.0.0.1, as before"
    after = files_below(host.folder)
    for file in ("state/site.key", "etc/settings.toml", "stick/site-request.signed.json"):
        assert before[file] == after[file], file


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(host: Host) -> None:
    host.answers()
    before = files_below(host.folder)
    done = host.set_up("--dry-run")
    assert done.returncode == 0, done
    assert "would do: ao init --site harbour-hospital --name 'Harbour Hospital, basement'" in done.stdout
    assert f"port = {host.port}" in done.stdout
    assert "ao site request --out" in done.stdout
    assert "Nothing was done" in done.stdout
    assert files_below(host.folder) == before
    assert not host.state.exists()


THROUGH_THE_COMMAND = (
    ("site__id", "Acme Berlin", 121, "no site id"),
    ("site__trust_digest", "sha256:" + "0" * 64, 122, "not what was given"),
    ("site__colour", "red", 121, "Nobody asks for site.colour"),
)


@pytest.mark.parametrize(("name", "value", "code", "says"), THROUGH_THE_COMMAND)
def test_an_answer_that_cannot_be_ends_the_setup_with_its_name(
    host: Host, name: str, value: object, code: int, says: str
) -> None:
    done = host.set_up("--json", **{name: value})
    assert done.returncode == code, done
    told = json.loads(done.stdout)["error"]
    assert says in told["message"]
    assert name.replace("__", ".") in f"{told['where']} {told['message']}"
    assert not host.state.exists()


def test_after_an_answer_that_could_not_be_it_goes_on_where_it_stopped(host: Host) -> None:
    assert host.set_up(listen__host="localhost").returncode == 121
    key = (host.state / "site.key").read_bytes()
    assert not host.settings.exists()
    assert not host.request.exists()
    done = host.set_up("--json")
    assert done.returncode == 0, done
    assert states(done) == PLAIN | {"site": "was done"}
    assert (host.state / "site.key").read_bytes() == key


def test_what_the_installation_wrote_is_changed_in_its_place_and_nothing_else(host: Host) -> None:
    host.settings.parent.mkdir()
    host.settings.write_text('# by hand\nhost = "127.0.0.1"  # for now\nworkers = 2\nport = 8080\n')
    host.settings.chmod(0o640)
    put_members(host.here, {"host": "0.0.0.0", "port": host.port})
    assert host.settings.read_text() == f'# by hand\nhost = "0.0.0.0"  # for now\nworkers = 2\nport = {host.port}\n'
    assert host.settings.stat().st_mode & 0o777 == 0o640


def test_a_settings_file_that_the_release_refuses_is_left_alone(host: Host) -> None:
    host.settings.parent.mkdir()
    host.settings.write_text("wrokers = 2\n")
    with pytest.raises(ReleaseRefused) as caught:
        put_members(host.here, {"host": "0.0.0.0"})
    assert (caught.value.code, caught.value.exit_code) == ("settings_refused", 46)
    assert host.settings.read_text() == "wrokers = 2\n"


def test_a_request_of_another_site_on_the_medium_stays(host: Host) -> None:
    with pytest.raises(AnswerRefused, match="is there"):
        check_place(str(host.trust), None)
    host.request.write_text("somebody's")
    with pytest.raises(AnswerRefused, match="not the request of this site"):
        check_place(str(host.stick), {"site": "harbour-hospital", "epoch": 1})
    assert host.request.read_text() == "somebody's"


def test_without_a_release_it_says_so(host: Host) -> None:
    host.words[-1] = str(host.folder / "no-ao")
    done = host.set_up("--json")
    assert done.returncode == 123
    assert json.loads(done.stdout)["error"]["code"] == "release_unusable"


def test_json_without_a_file_asks_nobody(host: Host) -> None:
    done = host.run("--json")
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (121, "answer_refused")


def test_a_person_goes_through_it_and_may_mistype(host: Host) -> None:
    with at_terminal(host.words, host.environment) as person:
        begin(person, host)
        person.sees("Listen address [127.0.0.1]: ")
        person.types("gateway.internal")
        person.sees("is no address.")
        person.sees("Listen address [127.0.0.1]: ")
        person.types("")
        person.sees("Port [8080]: ")
        person.types(str(host.port))
        person.sees("Number [4]: ")
        person.types("3")
        person.sees("Names [")
        person.types("gateway!")
        person.sees("is no name and no address")
        person.sees("Names [")
        person.types("gateway.internal 127.0.0.1")
        person.sees("gateway.internal, 127.0.0.1, until")
        if KNOWS_ADMINISTRATORS:
            become_administrator(person)
        person.sees("Write it to")
        person.types(str(host.stick))
        person.sees("is written and read back; the medium may be")
        person.sees("What comes next:")
        assert person.leaves() == 0
    assert host.site() == "harbour-hospital"
    assert host.request.is_file()
    assert person.read.isascii()
    assert "\x1b" not in person.read
    # Neither this test's long paths, nor what a person types after this host's own name.
    printed = [each for each in person.read.splitlines() if str(host.folder) not in each and "Names [" not in each]
    assert max(map(len, printed)) <= 80


def test_a_person_leaves_and_comes_back_where_it_stopped(host: Host) -> None:
    with at_terminal(host.words, host.environment) as person:
        begin(person, host)
        person.sees("Listen address [127.0.0.1]: ")
        person.interrupts()
        person.sees("Stopped at step 2")
        person.sees("what was done before stays done")
        assert person.leaves() == 122
    assert not host.settings.exists()
    with at_terminal(host.words, host.environment) as person:
        person.sees("This is Harbour Hospital, basement (harbour-hospital)")
        person.sees("Listen address [127.0.0.1]: ")


def test_a_person_to_whom_the_vendor_reads_another_digest_pins_nothing(host: Host) -> None:
    with at_terminal(host.words, host.environment) as person:
        name_site(person, host)
        for line in spelt(DIGEST):
            person.sees(line)
        person.sees("that the vendor reads: ")
        person.types("0000")
        person.sees("Do not use this file.")
        assert person.leaves() == 122
    assert not host.state.exists()


def name_site(person: Person, host: Host) -> None:
    person.sees("Site id: ")
    person.types("Harbour Hospital")
    person.sees("is no site id.")
    person.sees("Site id: ")
    person.types("harbour-hospital")
    person.sees("Site name: ")
    person.types("Harbour Hospital, basement")
    person.sees("Trust file")
    person.types(str(host.stick / "trsut.json"))
    person.sees("no such file")
    person.sees("Trust file")
    person.types(str(host.trust))


def become_administrator(person: Person) -> None:
    person.sees("Name: ")
    person.types("anna")
    for typed in ("short", PASSWORD):
        person.sees("characters or more: ")
        person.types(typed)
        person.sees("once more: ")
        person.types(typed)
    person.sees("Have you kept it? (yes or no): ")
    person.types("perhaps")
    person.sees("neither yes nor no")
    person.types("yes")
    person.sees("anna may sign in.")
    assert PASSWORD not in person.read


def begin(person: Person, host: Host) -> None:
    name_site(person, host)
    person.sees("that the vendor reads: ")
    person.types(DIGEST[-4:])
    person.sees("is made in")


def test_every_answer_has_a_name_of_its_step() -> None:
    assert all(name.partition(".")[0] == step.name for step in STEPS for name in step.asks)
    assert len(set(ANSWERS)) == len(ANSWERS)


def settings_of(host: Host) -> dict[str, Any]:
    return tomllib.loads(host.settings.read_text())


def test_an_authority_of_the_sites_own_signs_for_the_gateway(host: Host) -> None:
    done = host.set_up("--json", certificate__from="own-ca", certificate__names="gw.internal 127.0.0.1")
    assert done.returncode == 0, done
    assert states(done) == EVERY_STEP
    folder = host.settings.parent / "ca"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "ca.key").stat().st_mode & 0o777 == 0o600
    assert settings_of(host)["tls_certificate"] == str(host.state / "tls" / "current" / "certificate.pem")
    verified = subprocess.run(
        [
            *("openssl", "verify", "-purpose", "sslserver", "-verify_hostname", "gw.internal"),
            *("-CAfile", str(folder / "ca.pem"), settings_of(host)["tls_certificate"]),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert verified.returncode == 0, verified.stderr
    (said,) = [each["said"] for each in json.loads(done.stdout)["steps"] if each["step"] == "certificate"]
    shown = subprocess.run([AO, "tls", "show", "--json", *host.where], capture_output=True, text=True, check=False)
    presented, authority = json.loads(shown.stdout)["chain"]
    for each in (presented, authority):
        assert each["sha256"].replace(":", " ") in " ".join(" ".join(said).split())
    assert f"https://127.0.0.1:{host.port}/v1/models" in "\n".join(json.loads(done.stdout)["next"])
    before = files_below(host.folder)
    again = host.set_up("--json", certificate__from="self-signed")
    assert states(again)["certificate"] == "was done"
    assert {name: before[name] for name in before if "tls" in name or "ca/" in name}.items() <= files_below(
        host.folder
    ).items()


def test_one_that_vouches_for_itself_is_shown_with_its_fingerprint(host: Host) -> None:
    done = host.set_up("--json", certificate__from="self-signed", certificate__names="gw.internal")
    assert done.returncode == 0, done
    (said,) = [each["said"] for each in json.loads(done.stdout)["steps"] if each["step"] == "certificate"]
    seen = subprocess.run(
        ["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in", settings_of(host)["tls_certificate"]],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert seen.partition("=")[2].replace(":", " ") in " ".join(" ".join(said).split())


def test_files_that_are_no_pair_leave_the_settings_as_they_were(host: Host) -> None:
    assert host.set_up(certificate__from="self-signed", certificate__names="gw.internal").returncode == 0
    certificate = settings_of(host)["tls_certificate"]
    other = host.folder / "other"
    other.mkdir()
    second = Host(other)
    done = second.set_up(
        "--json", certificate__from="files", certificate__file=certificate, certificate__key=certificate
    )
    assert done.returncode == 140, done
    assert "can reach the key" in json.loads(done.stdout)["error"]["message"]
    assert "tls_certificate" not in settings_of(second)
    assert not (second.state / "tls").exists()


def test_where_nothing_is_answered_it_stays_with_plain_http_and_says_so(host: Host) -> None:
    done = host.set_up("--json", listen__host="0.0.0.0")
    assert done.returncode == 0, done
    assert states(done)["certificate"] == "nothing to do"
    assert "The gateway speaks plain HTTP" in "\n".join(json.loads(done.stdout)["next"])
