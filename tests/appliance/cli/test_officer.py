"""`ao officer` and `ao config sign|cosign`, as an officer types them, on a machine that has no site."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from licensing.envelope import parse, signed_by
from licensing.vendor.key_files import public_key_of
from tests.appliance.cli.commands import Said, ao
from tests.appliance.gateways import AO
from tests.appliance.officer.officers import TEXT, WORDS, key_file, opened, passphrase_file

TYPED = WORDS.decode()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two key files, their passphrase and a config, where the officer works."""
    monkeypatch.chdir(tmp_path)
    for name in ("alice", "bob"):
        key_file(tmp_path, name)
    passphrase_file(tmp_path)
    (tmp_path / "plant.yaml").write_text(TEXT)
    return tmp_path


def data(said: Said, code: int = 0) -> Any:
    assert (said.fault, said.err, said.code) == (None, "", code)
    return json.loads(said.out)


def refused(said: Said) -> tuple[int, str]:
    assert said.fault is None
    return said.code, json.loads(said.out)["error"]["code"]


def sign(*more: str, typed: str | None = None, key: str = "alice.key", out: str = "plant.yaml.signed") -> Said:
    words = ["plant.yaml", "--site", "plant-7", "--serial", "4", "--key", key, "--out", out]
    return ao("config", "sign", *words, *more, typed=typed)


def cosign(*more: str, typed: str | None = None, key: str = "bob.key") -> Said:
    return ao("config", "cosign", "plant.yaml.signed", "--key", key, *more, typed=typed)


FILE = ("--passphrase-file", "passphrase")


def test_a_key_is_made_shown_and_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    new = ["officer", "new", "--label", "alice", "--out", "alice.key", "--kdf", "interactive"]
    made = ao(*new, typed=f"{TYPED}\n{TYPED}\n")
    assert (made.code, made.fault) == (0, None)
    assert TYPED not in made.out + made.err
    assert Path("alice.key").stat().st_mode & 0o777 == 0o600
    assert data(ao("officer", "show", "alice.key", "--public-out", "alice.pub", "--json"))["label"] == "alice"
    shown = ao("officer", "show", "alice.key").out
    public = public_key_of("alice.pub")
    assert public.keyid in shown
    assert public == opened(Path("alice.key")).public_key
    assert ao(*new, typed=f"{TYPED}\n{TYPED}\n").code == 58


@pytest.mark.parametrize(
    ("typed", "code"),
    [("one\nother\n", "passphrase_refused"), ("\n", "passphrase_missing"), ("", "passphrase_missing")],
)
def test_no_key_is_made_without_a_passphrase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, code: str
) -> None:
    monkeypatch.chdir(tmp_path)
    said = ao("officer", "new", "--label", "alice", "--out", "alice.key", "--json", typed=typed)
    assert refused(said) == (94, code)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("desk")
def test_what_is_signed_is_shown_before_it_is_asked_about() -> None:
    said = sign(*FILE, typed="y\n")
    assert (said.code, said.fault) == (0, None)
    before = said.out[: said.out.index("Sign it?")]
    envelope = parse(Path("plant.yaml.signed").read_bytes())
    for fact in ("plant-7", "serial:  4", "sha256:", "chat: demo chat"):
        assert fact in before
    assert signed_by(envelope, opened(Path("alice.key")).public_key)
    second = cosign(*FILE, typed="y\n")
    assert opened(Path("alice.key")).public_key.keyid[:12] in second.out[: second.out.index("Sign it?")]
    assert "2 signatures" in second.out
    both = parse(Path("plant.yaml.signed").read_bytes())
    assert (both.body, both.signatures[:1], len(both.signatures)) == (envelope.body, envelope.signatures, 2)


@pytest.mark.usefixtures("desk")
def test_who_does_not_agree_signs_nothing_and_types_no_passphrase() -> None:
    declined = sign(typed="n\n")
    assert (declined.code, declined.fault) == (1, None)
    assert "Nothing was signed." in declined.out
    assert "Passphrase" not in declined.out + declined.err
    assert data(sign("--json"), 1)["signed_with"] is None
    assert not Path("plant.yaml.signed").exists()
    sign("--yes", *FILE)
    before = Path("plant.yaml.signed").read_bytes()
    assert cosign(typed="n\n").code == 1
    assert data(cosign("--json"), 1)["signed_with"] is None
    assert Path("plant.yaml.signed").read_bytes() == before


@pytest.mark.usefixtures("desk")
def test_in_json_with_yes() -> None:
    made = data(sign("--yes", "--json", *FILE))
    assert (made["serial"], made["site"], made["signatures"]) == (4, "plant-7", [])
    added = data(cosign("--yes", "--json", *FILE, "--out", "both.signed"))
    assert (added["digest"], added["signatures"]) == (made["digest"], [made["signed_with"]])
    assert len(parse(Path("both.signed").read_bytes()).signatures) == 2
    assert len(parse(Path("plant.yaml.signed").read_bytes()).signatures) == 1


@pytest.mark.usefixtures("desk")
def test_the_same_key_twice_a_taken_name_and_a_wrong_passphrase_are_refusals() -> None:
    sign("--yes", *FILE)
    before = Path("plant.yaml.signed").read_bytes()
    assert refused(cosign("--yes", "--json", *FILE, key="alice.key")) == (64, "officer_key_refused")
    assert refused(sign("--yes", "--json", *FILE)) == (58, "media_already_there")
    assert refused(cosign("--yes", "--json", typed="wrong\n")) == (18, "passphrase_wrong")
    assert refused(cosign("--yes", "--json", *FILE, "--out", "plant.yaml")) == (58, "media_already_there")
    Path("bob.key").chmod(0o640)
    assert refused(cosign("--yes", "--json", *FILE)) == (95, "secret_exposed")
    assert Path("plant.yaml.signed").read_bytes() == before


@pytest.mark.usefixtures("desk")
def test_a_passphrase_has_one_source_and_is_never_an_argument() -> None:
    assert sign("--yes", *FILE, "--passphrase-fd", "0").code == 2
    assert sign("--yes", "--passphrase", TYPED).code == 2
    Path("passphrase").chmod(0o644)
    assert refused(sign("--yes", "--json", *FILE)) == (95, "secret_exposed")
    assert not Path("plant.yaml.signed").exists()


@pytest.mark.usefixtures("desk")
def test_no_secret_is_in_what_the_commands_say() -> None:
    seed = opened(Path("alice.key"))._signing.private_bytes_raw()
    for said in (sign("--yes", typed=f"{TYPED}\n"), ao("officer", "show", "alice.key"), cosign("--yes", *FILE)):
        assert (said.code, said.fault) == (0, None)
        text = said.out + said.err
        assert TYPED not in text
        assert seed.hex() not in text


def test_as_processes_of_their_own_without_any_state(desk: Path) -> None:
    """The passphrase comes over a descriptor; there is no state folder, and none is made."""
    home = desk / "home"
    home.mkdir()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AO_")}
    environment = {**inherited, "HOME": str(home), "AO_STATE_DIR": str(desk / "no-state")}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        reading, writing = os.pipe()
        os.write(writing, WORDS + b"\n")
        os.close(writing)
        try:
            return subprocess.run(
                [AO, *words, "--passphrase-fd", str(reading), "--json"],
                env=environment,
                cwd=desk,
                pass_fds=[reading],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
        finally:
            os.close(reading)

    made = run("officer", "new", "--label", "carol", "--out", "carol.key", "--kdf", "interactive")
    assert (made.returncode, made.stderr) == (0, "")
    out = ["--site", "plant-7", "--serial", "1", "--key", "carol.key", "--out", "plant.yaml.signed"]
    signed = run("config", "sign", "plant.yaml", *out, "--yes")
    assert (signed.returncode, signed.stderr) == (0, "")
    again = run("config", "cosign", "plant.yaml.signed", "--key", "carol.key", "--yes")
    assert (again.returncode, json.loads(again.stdout)["error"]["code"]) == (64, "officer_key_refused")
    both = run("config", "cosign", "plant.yaml.signed", "--key", "alice.key", "--yes")
    assert json.loads(both.stdout)["signatures"] == [json.loads(made.stdout)["key"]]
    assert len(parse((desk / "plant.yaml.signed").read_bytes()).signatures) == 2
    assert not (desk / "no-state").exists()
    assert not list(home.iterdir())
