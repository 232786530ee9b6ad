"""The desk puts documents on a medium for the site that they are for, and copies what sites sent, believing nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.licensing.vendor.simulated_site import SimulatedSite
from tests.licensing.vendor.vendors_desk import VendorsDesk
from tests.licensing.vendor.vendors_shell import Shell

CONFIG = b"models:\n  - alias: chat\n    provider:\n      name: demo\n"
SITE = "plant-7"


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    (tmp_path / "stick").mkdir()
    return tmp_path / "stick"


def inbox(stick: Path) -> Path:
    return stick / "AO" / "to-site" / SITE


def outbox(stick: Path, site: str = SITE) -> Path:
    path = stick / "AO" / "to-vendor" / site
    path.mkdir(parents=True, exist_ok=True)
    return path


def test_documents_get_the_names_that_the_site_looks_for(
    shell: Shell, desk: VendorsDesk, licensed: SimulatedSite, stick: Path
) -> None:
    desk.sign(CONFIG, "for-plant-7.signed")
    licence = desk.folder / "licence.json"
    licence.rename(desk.folder / "anything")
    trust = desk.home.trust_file
    done = shell.json_plain(
        "media", "export", stick, desk.folder / "anything", desk.folder / "for-plant-7.signed", trust, "--site", SITE
    )
    assert [Path(each["file"]).name for each in done["files"]] == ["licence.json", "config.yaml.signed", "trust-1.json"]
    assert sorted(each.name for each in inbox(stick).iterdir()) == [
        "config.yaml.signed",
        "index.txt",
        "licence.json",
        "trust-1.json",
    ]
    seen = shell.json_plain("media", "inspect", stick)["files"]
    assert [(each["direction"], each["site"], each["kind"]) for each in seen] == [
        ("to-site", SITE, "trust"),
        ("to-site", SITE, "licence"),
        ("to-site", SITE, "config"),
    ]


def test_a_document_for_another_site_is_not_carried_to_this_one(
    shell: Shell, desk: VendorsDesk, licensed: SimulatedSite, stick: Path
) -> None:
    desk.sign(CONFIG, "config.signed")
    for name in ("licence.json", "config.signed"):
        refused = shell.json_plain("media", "export", stick, desk.folder / name, "--site", "plant-8", code=13)
        assert refused["error"]["code"] == "document_audience"
        assert "'plant-7'" in refused["error"]["message"]
    assert list(stick.iterdir()) == []


@pytest.mark.parametrize("name", ["../../etc", "Plant 7", "", "x", "plant-7\n", "\x1b[2J"])
def test_what_can_be_no_sites_id_gets_no_folder(
    shell: Shell, desk: VendorsDesk, licensed: SimulatedSite, stick: Path, name: str
) -> None:
    refused = shell.json_plain("media", "export", stick, desk.folder / "licence.json", "--site", name, code=96)
    assert refused["error"]["message"].isprintable()
    assert list(stick.iterdir()) == []


def test_a_receipt_that_was_renamed_is_still_found_by_the_site(
    shell: Shell, desk: VendorsDesk, licensed: SimulatedSite, stick: Path
) -> None:
    done = desk.take(licensed.seal())
    (_, receipt) = done.receipts[0]
    receipt.rename(desk.folder / "answer.json")
    shell.json_plain("media", "export", stick, desk.folder / "answer.json", "--site", SITE)
    assert (inbox(stick) / f"receipt-{SITE}-1.signed.json").exists()


def test_what_no_site_takes_is_refused_by_its_kind(
    shell: Shell, desk: VendorsDesk, site: SimulatedSite, stick: Path
) -> None:
    request = desk.file("request.json", site.request())
    refused = shell.json_plain("media", "export", stick, request, "--site", SITE, code=12)
    assert refused["error"]["where"].endswith("request.json")


def test_folders_that_are_named_for_no_site_are_not_copied(shell: Shell, site: SimulatedSite, stick: Path) -> None:
    into = stick.parent / "incoming"
    for name in (SITE, "\x1b[31mred", "a\nb", "x" * 200, "..."):
        (outbox(stick, name) / "site-request.signed.json").write_bytes(site.request())
    done = shell.json_plain("media", "import", stick, "--into", into)
    assert [(each["site"], each["kind"]) for each in done["files"]] == [(SITE, "site-request")]
    assert [each.name for each in into.iterdir()] == [SITE]


def test_a_usage_file_that_differs_from_the_copy_here_is_told_and_the_rest_is_copied(
    shell: Shell, site: SimulatedSite, stick: Path
) -> None:
    into = stick.parent / "incoming"
    (into / SITE).mkdir(parents=True)
    (into / SITE / "usage-2026-04-01.signed.json").write_bytes(b"the first copy")
    for day in (1, 2):
        (outbox(stick) / f"usage-2026-04-0{day}.signed.json").write_bytes(b"the second copy")
    result = shell.run("media", "import", stick, "--into", into, "--json")
    assert result.exit_code == 58
    codes = [each["error"] and each["error"]["code"] for each in json.loads(result.stdout)["files"]]
    assert codes == ["media_already_there", None]
    assert (into / SITE / "usage-2026-04-01.signed.json").read_bytes() == b"the first copy"
    assert (into / SITE / "usage-2026-04-02.signed.json").read_bytes() == b"the second copy"


def test_a_folder_that_cannot_be_made_is_a_refusal(shell: Shell, site: SimulatedSite, stick: Path) -> None:
    (outbox(stick) / "site-request.signed.json").write_bytes(site.request())
    (stick.parent / "file").touch()
    result = shell.run("media", "import", stick, "--into", stick.parent / "file", "--json")
    assert result.exit_code in (50, 55)
    assert json.loads(result.stdout)["files"][0]["error"]["code"].startswith("media_")


def test_a_hostile_file_from_a_site_is_named_and_the_rest_is_copied(
    shell: Shell, site: SimulatedSite, stick: Path
) -> None:
    (outbox(stick) / "usage-2026-04-01.signed.json").symlink_to("/etc/passwd")
    (stick / "AO" / "to-vendor" / "a-link").symlink_to("/etc")
    (outbox(stick) / "site-request.signed.json").write_bytes(site.request())
    result = shell.run("media", "import", stick, "--into", stick.parent / "incoming")
    assert result.exit_code == 51
    assert result.output.count("[media_not_regular]") == 2
    assert [each.name for each in (stick.parent / "incoming" / SITE).iterdir()] == ["site-request.signed.json"]
