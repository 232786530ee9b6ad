"""The desk takes a medium as it comes, tells what it cannot read, and checks a proof against the file it is about."""

from __future__ import annotations

import json
import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from licensing.merkle import root_of
from licensing.strict_json import canonical
from licensing.usage import open_usage
from licensing.usage_proof import make_proof
from licensing.vendor import commands_usage
from licensing.vendor.errors import UsageNotAccepted
from licensing.vendor.gather import usage_files_in
from licensing.vendor.operations_usage import reconcile_usage, unwatched
from tests.licensing.vendor.simulated_site import ROWS, SimulatedSite, SiteKey
from tests.licensing.vendor.vendors_desk import TERMS, VendorsDesk
from tests.licensing.vendor.vendors_shell import Shell


def medium(folder: Path, files: dict[str, list[bytes]]) -> Path:
    """Usage files as they lie on a stick: AO/to-vendor/<site>/…, among other things."""
    for site, given in files.items():
        place = folder / "AO" / "to-vendor" / site
        place.mkdir(parents=True)
        for number, data in enumerate(given, 1):
            (place / f"usage-2026-03-{number:02}.signed.json").write_bytes(data)
        (place / "site-request.signed.json").write_bytes(b"{}")
    (folder / "holiday.jpg").write_bytes(b"\xff\xd8")
    return folder


def test_a_folder_is_searched_however_deep(tmp_path: Path) -> None:
    medium(tmp_path / "stick", {"b": [b"1"], "a": [b"1", b"2"]})
    (tmp_path / "stick" / "USAGE-2026-03-09.SIGNED.JSON").write_bytes(b"3")
    (tmp_path / "stick" / "usage-loop").symlink_to(tmp_path / "stick", target_is_directory=True)
    found = [path.relative_to(tmp_path / "stick").as_posix() for path in usage_files_in(tmp_path / "stick")]
    assert found == [
        "AO/to-vendor/a/usage-2026-03-01.signed.json",
        "AO/to-vendor/a/usage-2026-03-02.signed.json",
        "AO/to-vendor/b/usage-2026-03-01.signed.json",
        "USAGE-2026-03-09.SIGNED.JSON",
    ]


def test_a_whole_medium_is_taken_in_at_once(desk: VendorsDesk, licensed: SimulatedSite, tmp_path: Path) -> None:
    stick = medium(tmp_path / "stick", {"plant-7": licensed.days(9)})
    seen: list[tuple[str, int, int]] = []
    done = reconcile_usage(
        desk.home, [stick], desk.folder, unlock=desk.unlock, now=desk.now, watch=lambda *told: seen.append(told)
    )
    assert done.outcome.all_good
    assert [path.name for path in done.files] == [f"usage-2026-03-{number:02}.signed.json" for number in range(1, 10)]
    assert [kept.seq for kept, _ in done.receipts] == [9]
    assert seen == [("read", n, 9) for n in range(1, 10)] + [("checked", n, 9) for n in range(1, 10)]


@pytest.mark.parametrize("make", ["link", "pipe", "hard"])
def test_what_cannot_be_read_in_a_folder_does_not_keep_the_rest_waiting(
    desk: VendorsDesk, licensed: SimulatedSite, tmp_path: Path, make: str
) -> None:
    stick = medium(tmp_path / "stick", {"plant-7": licensed.days(2)})
    odd = stick / "usage-odd.signed.json"
    if make == "link":
        odd.symlink_to("/etc/passwd")
    elif make == "pipe":
        os.mkfifo(odd)
    else:
        (tmp_path / "other").write_bytes(b"x")
        odd.hardlink_to(tmp_path / "other")
    done = reconcile_usage(desk.home, [stick], desk.folder, unlock=desk.unlock, now=desk.now)
    verdicts = {path.name: each.verdict.value for path, each in zip(done.files, done.outcome.findings, strict=True)}
    assert verdicts == {
        "usage-2026-03-01.signed.json": "accepted",
        "usage-2026-03-02.signed.json": "accepted",
        "usage-odd.signed.json": "unreadable",
    }
    assert not done.outcome.all_good


def test_many_sites_in_one_heap_are_taken_in_any_order(desk: VendorsDesk, tmp_path: Path) -> None:
    heap: list[bytes] = []
    for number in range(8):
        site = SimulatedSite(site=f"plant-{number}", key=SiteKey(f"plant-{number}"))
        desk.issue(site, f"licence-{number}", terms=replace(TERMS, licence=f"lic-{number:04}"))
        heap += site.days(6)
    random.Random(7).shuffle(heap)
    (tmp_path / "heap").mkdir()
    for number, data in enumerate(heap):
        (tmp_path / "heap" / f"usage-{number}.signed.json").write_bytes(data)
    done = reconcile_usage(desk.home, [tmp_path / "heap"], desk.folder, unlock=desk.unlock, now=desk.now)
    assert done.outcome.all_good
    assert len(done.outcome.taken) == 48
    assert sorted((kept.site, kept.seq) for kept, _ in done.receipts) == [(f"plant-{n}", 6) for n in range(8)]


def test_an_empty_folder_is_no_mistake(shell: Shell, site: SimulatedSite, tmp_path: Path) -> None:
    shell.issue(site)
    (tmp_path / "empty").mkdir()
    printed = shell.json("usage", "reconcile", tmp_path / "empty")
    assert (printed["files"], printed["receipts"]) == ([], [])


def test_a_refused_file_is_an_error_in_json_too(shell: Shell, site: SimulatedSite) -> None:
    shell.issue(site)
    site.seal()
    printed = shell.json("usage", "reconcile", shell.desk.file("u", site.seal()), code=UsageNotAccepted.exit_code)
    assert printed["error"]["code"] == "usage_not_accepted"
    assert printed["files"][0]["epoch"] == 1


def test_on_a_terminal_many_files_are_counted_as_they_go(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands_usage._progress() is unwatched, "a pipe is told nothing"
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    watch = commands_usage._progress()
    for done in range(1, 601):
        watch("read", done, 600)
        watch("checked", done, 499)
    told = capsys.readouterr().err
    assert told.endswith("600 of 600 files read\n")
    assert told.count("\r") == 12, "every fiftieth, and nothing of what is quickly done"


# -- proofs ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def proven(shell: Shell, site: SimulatedSite) -> tuple[Shell, bytes, bytes]:
    """A usage file whose first row is over known exchanges, and a proof for the second of them."""
    shell.issue(site)
    leaves = [canonical({"id": f"{number:032x}", "model": "small", "finish": None}) for number in range(3)]
    data = site.seal((ROWS[0].model_copy(update={"entries_root": root_of(leaves)}), ROWS[1]))
    proof = make_proof(open_usage(data, site.key.public_key), 0, leaves, 1)
    return shell, data, proof.to_bytes()


def test_a_proof_is_checked_against_the_sites_signed_file(proven: tuple[Shell, bytes, bytes]) -> None:
    shell, data, proof = proven
    usage, paper = shell.desk.file("usage.json", data), shell.desk.file("proof.json", proof)
    printed = shell.json_plain("usage", "verify-proof", paper, "--usage", usage)
    assert (printed["holds"], printed["file_accepted"], printed["entry"]["id"]) == (True, False, f"{1:032x}")
    shell.desk.take(data)
    assert shell.json_plain("usage", "verify-proof", paper, "--usage", usage)["file_accepted"] is True
    assert "That file was accepted." in shell.run("usage", "verify-proof", paper, "--usage", usage).stdout


def test_what_is_not_proven_is_refused_with_a_code(proven: tuple[Shell, bytes, bytes], site: SimulatedSite) -> None:
    shell, data, proof = proven
    usage = shell.desk.file("usage.json", data)
    changed = json.loads(proof)
    changed["entry"]["finish"] = "stop"
    paper = shell.desk.file("changed.json", canonical(changed))
    assert shell.json_plain("usage", "verify-proof", paper, "--usage", usage, code=10)["error"]["code"]
    other = shell.desk.file("other.json", site.seal())
    good = shell.desk.file("proof.json", proof)
    assert shell.json_plain("usage", "verify-proof", good, "--usage", other, code=13)["error"]["code"]
    stranger = SimulatedSite(key=SiteKey("stranger"))
    unsigned = shell.desk.file("unsigned.json", stranger.seal())
    assert shell.json_plain("usage", "verify-proof", good, "--usage", unsigned, code=11)["error"]["code"]


# -- the face ----------------------------------------------------------------------------------------------------------


def test_wrong_use_is_told_in_json_when_json_was_asked_for(shell: Shell) -> None:
    printed = shell.json_plain("usage", "report", "--from", "yesterday", code=2)
    assert printed["error"]["code"] == "usage"
    assert "yesterday" in printed["error"]["message"]
    plain = shell.run("usage", "report", "--from", "yesterday")
    assert plain.exit_code == 2
    assert plain.stdout == ""
    assert "Usage: " in plain.stderr


@pytest.mark.parametrize("path", [(), ("usage",), ("usage", "reconcile"), ("licence", "issue")])
def test_h_is_help(shell: Shell, path: tuple[str, ...]) -> None:
    assert shell.run(*path, "-h").stdout == shell.run(*path, "--help").stdout != ""


def test_json_is_one_line(shell: Shell) -> None:
    assert shell.run("usage", "selftest", "--json").stdout.count("\n") == 1
