"""`ao-vendor` as people and scripts meet it: what it prints, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from licensing.document import PAYLOAD_TYPES
from licensing.envelope import parse
from licensing.errors import Refusal
from licensing.licence import open_licence
from licensing.receipt import open_receipt
from licensing.trust import Trust, pin
from licensing.vendor import errors
from licensing.vendor.cli import main
from tests.licensing.vendor.simulated_site import SimulatedSite, SiteKey
from tests.licensing.vendor.vendors_desk import WORDS
from tests.licensing.vendor.vendors_shell import Shell

PROGRAM = Path(sys.executable).with_name("ao-vendor")


# -- the main path, as its own process ---------------------------------------------------------------------------------


def process(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(PROGRAM), *arguments],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_from_nothing_to_a_receipt(tmp_path: Path) -> None:
    site = SimulatedSite()
    words = tmp_path / "passphrase"
    words.write_bytes(WORDS + b"\n")
    words.chmod(0o600)
    (tmp_path / "config.yaml").write_text("models: []\n")
    (tmp_path / "request").write_bytes(site.request())
    for number, file in enumerate(site.days(2)):
        (tmp_path / f"usage-{number}").write_bytes(file)
    common = ("--passphrase-file", "passphrase", "--json")

    def run(*arguments: str) -> dict[str, Any]:
        done = process(tmp_path, *arguments, *common, AO_VENDOR_HOME="desk")
        assert (done.returncode, done.stderr) == (0, "")
        printed: dict[str, Any] = json.loads(done.stdout)
        return printed

    made = run("init", "--name", "Example Systems")
    pinned = pin((tmp_path / made["trust"]).read_bytes())
    assert made["digest"] == pinned.digest
    trust: Trust = pinned.claims

    terms = ("--customer", "Example Works", "--edition", "team", "--models", "*", "--days", "30")
    issued = run("licence", "issue", "request", *terms, "--out", "licence.json")
    licence = open_licence((tmp_path / issued["file"]).read_bytes(), trust).claims
    assert (issued["licence"], issued["serial"]) == (licence.licence, licence.serial) == (licence.licence, 1)

    signed = run("config", "sign", "config.yaml", "--site", "plant-7", "--out", "config.yaml.signed")
    assert signed["serial"] == 1
    envelope = parse((tmp_path / signed["file"]).read_bytes())
    assert trust.verify(envelope, role="config", payload_type=PAYLOAD_TYPES["config"]).body.endswith(b"models: []\n")

    taken = run("usage", "reconcile", "usage-1", "usage-0")
    assert [(each["file"], each["seq"], each["verdict"]) for each in taken["files"]] == [
        ("usage-1", 2, "accepted"),
        ("usage-0", 1, "accepted"),
    ]
    (receipt,) = taken["receipts"]
    data = (tmp_path / receipt["file"]).read_bytes()
    assert open_receipt(data, trust, site="plant-7", epoch=1).claims.seq == receipt["seq"] == 2


def test_a_refusal_ends_the_process_with_its_code(tmp_path: Path) -> None:
    done = process(tmp_path, "--home", "nowhere", "licence", "list")
    assert (done.returncode, done.stdout) == (92, "")
    assert done.stderr.splitlines()[0] == "ao-vendor: nowhere: There is no vendor's home here. [vendor_home_missing]"
    assert "ao-vendor init" in done.stderr.splitlines()[1]


def test_a_passphrase_can_come_through_a_descriptor(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, WORDS + b"\n")
    os.close(writing)
    command = [str(PROGRAM), "--home", "desk", "init", "--name", "X", "--passphrase-fd", str(reading), "--json"]
    done = subprocess.run(command, cwd=tmp_path, pass_fds=(reading,), capture_output=True, timeout=60, check=False)
    os.close(reading)
    assert done.returncode == 0, done.stderr


# -- init --------------------------------------------------------------------------------------------------------------


def test_init_asks_twice_and_shows_the_digest_to_read_aloud(shell: Shell) -> None:
    shell.desk.home = type(shell.desk.home)(shell.desk.folder / "second")
    result = shell.run(
        "init", "--name", "Example Systems", "--root-keys", "2", stdin="words for a test\nwords for a test\n"
    )
    assert result.exit_code == 0, result.output
    digest = pin(shell.desk.home.trust_file.read_bytes()).digest
    assert digest in result.stdout
    assert " ".join(digest[7:][start : start + 4] for start in range(0, 64, 4)) in result.stdout
    assert "words for a test" not in result.output


@pytest.mark.parametrize(
    ("typed", "code"),
    [("words\nswords\n", "passphrase_refused"), ("\n", "passphrase_missing"), ("", "passphrase_missing")],
)
def test_init_without_a_passphrase_makes_nothing(shell: Shell, typed: str, code: str) -> None:
    shell.desk.home = type(shell.desk.home)(shell.desk.folder / "second")
    result = shell.run("init", "--name", "X", "--json", stdin=typed)
    assert result.exit_code == 94
    assert json.loads(result.stdout)["error"]["code"] == code
    assert not shell.desk.home.path.exists()


def test_init_over_a_home_changes_nothing(shell: Shell) -> None:
    before = {path: path.read_bytes() for path in shell.desk.home.path.rglob("*") if path.is_file()}
    printed = shell.json("init", "--name", "Another", code=92)
    assert printed["error"]["code"] == "vendor_home_exists"
    assert before == {path: path.read_bytes() for path in shell.desk.home.path.rglob("*") if path.is_file()}


# -- licence -----------------------------------------------------------------------------------------------------------


def test_what_is_asked_for_on_the_command_line_is_in_the_licence(shell: Shell, site: SimulatedSite) -> None:
    options = "--expires 2027-01-31 --not-before 2026-05-01T06:00:00Z --licence AO-1 --rpm 1 --tpm 2 --seats 3"
    more = "--grace-days 4 --clock-tolerance-seconds 5 --add-on saml --add-on byok --models gpt-?"
    duty = "--report-every-days 6 --when-overdue block"
    shell.issue(site, *f"{options} {more} {duty}".split())
    claims = open_licence((shell.desk.folder / "licence.json").read_bytes(), shell.desk.trust).claims
    assert claims.model_dump(mode="json", by_alias=True, exclude_none=True) == {
        "kind": "licence",
        "schema": 1,
        "serial": 1,
        "issued_at": "2026-04-01T12:00:00Z",
        "licence": "AO-1",
        "customer": "Example Works",
        "binding": {"site": "plant-7", "key": site.key.public_key.keyid, "epoch": 1},
        "edition": "team",
        "add_ons": ["saml", "byok"],
        "caps": {"rpm": 1, "tpm": 2, "seats": 3},
        "models": ["*", "gpt-?"],
        "not_before": "2026-05-01T06:00:00Z",
        "expires_at": "2027-01-31T00:00:00Z",
        "grace_days": 4,
        "clock_tolerance_seconds": 5,
        "usage": {"report_every_days": 6, "when_overdue": "block"},
    }


def test_a_changed_site_needs_re_enrol(shell: Shell, site: SimulatedSite) -> None:
    shell.issue(site)
    returned = SimulatedSite(epoch=2, key=SiteKey("new"))
    assert shell.issue(returned, out="b", code=96)["error"]["code"] == "site_changed"
    assert shell.issue(returned, "--re-enrol", out="b")["serial"] == 2


def test_the_list_names_every_licence(shell: Shell, site: SimulatedSite) -> None:
    first, second = shell.issue(site), shell.issue(site, "--days", "30", out="b")
    listed = json.loads(shell.run("licence", "list", "--json").stdout)["licences"]
    assert [(each["licence"], each["serial"]) for each in listed] == [
        (first["licence"], 1),
        (second["licence"], 2),
    ]
    table = shell.run("licence", "list").stdout
    assert first["licence"] in table
    assert "plant-7" in table


@pytest.mark.parametrize(
    "when",
    [
        ["--expires", "31.1.2027"],
        ["--expires", "2027-02-30"],
        ["--expires", "2027-01-31T00:00:00+01:00"],
        ["--expires", "2027-01-31", "--days", "3"],
        ["--days", "0"],
    ],
)
def test_a_wrong_command_line_is_exit_two_and_changes_nothing(
    shell: Shell, site: SimulatedSite, when: list[str]
) -> None:
    before = shell.desk.contents()
    request = shell.desk.file("request", site.request())
    terms = ["--customer", "X", "--edition", "team", "--models", "*"]
    assert shell.run("licence", "issue", request, *terms, *when, *shell.words, "--out", "x").exit_code == 2
    assert shell.desk.contents() == before


def test_two_sources_of_a_passphrase_are_one_too_many(shell: Shell) -> None:
    arguments = ("config", "sign", "x", "--site", "plant-7", "--out", "y", *shell.words, "--passphrase-fd", "0")
    assert shell.run(*arguments).exit_code == 2


# -- config ------------------------------------------------------------------------------------------------------------


def test_broken_yaml_is_pointed_at(shell: Shell, site: SimulatedSite) -> None:
    shell.issue(site)
    shell.desk.file("config.yaml", b"models:\n  - name: a\n name: b\n")
    arguments = ("config", "sign", "config.yaml", "--site", "plant-7", "--out", "signed", *shell.words)
    result = shell.run(*arguments)
    assert result.exit_code == 54
    assert result.stderr.startswith("ao-vendor: config.yaml, line 3")
    assert shell.json(*arguments[:-2], code=54)["error"]["where"].startswith("config.yaml, line 3")
    assert not (shell.desk.folder / "signed").exists()


# -- usage -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def reporting(shell: Shell, site: SimulatedSite) -> tuple[Shell, SimulatedSite]:
    shell.issue(site)
    return shell, site


def test_totals_are_over_what_is_newly_accepted(reporting: tuple[Shell, SimulatedSite]) -> None:
    shell, site = reporting
    files = [shell.desk.file(f"u{number}", data) for number, data in enumerate(site.days(3))]
    shell.json("usage", "reconcile", files[0])
    printed = shell.json("usage", "reconcile", *files)
    assert [each["verdict"] for each in printed["files"]] == ["already_accepted", "accepted", "accepted"]
    small, large = printed["totals"]
    assert (small["site"], small["team"], small["model"], small["requests"]) == ("plant-7", "assembly", "small", 6)
    assert (large["model"], large["prompt_tokens"], large["completion_tokens"]) == ("large", 400, 200)


def test_one_file_that_is_not_accepted_is_exit_91_and_the_rest_is_taken(reporting: tuple[Shell, SimulatedSite]) -> None:
    shell, site = reporting
    files = [shell.desk.file(f"u{number}", data) for number, data in enumerate(site.days(3))]
    printed = shell.json("usage", "reconcile", files[0], files[2], code=91)
    assert [each["verdict"] for each in printed["files"]] == ["accepted", "gap"]
    assert [each["seq"] for each in printed["receipts"]] == [1]
    result = shell.run("usage", "reconcile", files[2], *shell.words)
    assert result.exit_code == 91
    assert "u2: gap. Before it, file 2 is missing" in result.stdout
    assert "1 of 1 usage files were not accepted." in result.stderr


def test_a_table_shows_foreign_labels_harmless(reporting: tuple[Shell, SimulatedSite]) -> None:
    from tests.licensing.vendor.simulated_site import row

    shell, site = reporting
    evil = "[red]team[/red]"
    file = shell.desk.file("u", site.seal(rows=(row(evil, "small", 1),)))
    result = shell.run("usage", "reconcile", file, *shell.words)
    assert evil in result.stdout, "a label is text, not mark-up"
    assert "\x1b" not in result.output


def test_a_receipts_folder_that_is_not_there_is_found_out_first(reporting: tuple[Shell, SimulatedSite]) -> None:
    shell, site = reporting
    before = shell.desk.contents()
    file = shell.desk.file("u", site.seal())
    assert shell.run("usage", "reconcile", file, "--receipts", "nowhere", *shell.words).exit_code == 2
    assert shell.desk.contents() == before


# -- the face of it ----------------------------------------------------------------------------------------------------


def commands(group: click.Group = main, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


@pytest.mark.parametrize(
    ("path", "command"), list(commands()), ids=lambda value: "-".join(value) if isinstance(value, tuple) else ""
)
def test_every_command_has_help_an_example_and_json(path: tuple[str, ...], command: click.Command) -> None:
    text = CliRunner().invoke(main, [*path, "--help"]).stdout
    assert f"ao-vendor {' '.join(path)}" in text or "Example:" in text
    assert "Example:" in text
    assert "--json" in text
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert all(option.help for option in options)
    assert not any("passphrase" in str(option.envvar) for option in options)
    assert {option.name for option in options if "passphrase" in (option.name or "")} <= {
        "passphrase_file",
        "passphrase_fd",
    }


def test_the_help_names_every_exit_code_of_the_desk() -> None:
    text = CliRunner().invoke(main, ["--help"]).stdout
    own = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.VendorError)]
    assert len(own) > 10
    for each in own:
        assert 90 <= each.exit_code <= 99
        assert any(line.split()[:1] == [str(each.exit_code)] for line in text.splitlines()), each


def test_every_refusal_of_the_desk_has_a_code_and_a_next_step_of_its_own() -> None:
    own = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.VendorError)]
    assert len({each.code for each in own}) == len(own)
    leaves = [each for each in own if not each.__subclasses__()]
    assert all(each.default_remedy != Refusal.default_remedy for each in leaves)
    tree = errors.__doc__ or ""
    assert all(each.__name__ in tree for each in own)


def test_what_was_issued_is_told_in_full(shell: Shell, site: SimulatedSite) -> None:
    """What a person would read aloud, from the very bytes that leave."""
    request = shell.desk.file("request", site.request())
    terms = ("--customer", "Example Works", "--edition", "team", "--models", "gpt-*", "--days", "365", "--rpm", "77")
    said = shell.run("licence", "issue", request, *terms, *shell.words, "--out", shell.desk.folder / "l.json")
    assert said.exit_code == 0, said.output
    for expected in ("Example Works", "plant-7", "team", "rpm 77", "gpt-*", "2027-04-01T12:00:00Z", "sha256:"):
        assert expected in said.stdout
