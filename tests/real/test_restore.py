"""A site that was lost and put back from its backup: what its people do, and what the vendor finds."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.appliance.gateways import free_port
from tests.real.processes import http_get
from tests.real.site_and_vendor import Site, Vendor, config_of, wait_for_the_next_second

pytestmark = pytest.mark.real


def call(port: int, key: str, times: int) -> None:
    for _ in range(times):
        reply = httpx.post(
            f"http://127.0.0.1:{port}/v1/chat/completions",
            json={"model": "chat", "messages": [{"role": "user", "content": "Hello"}]},
            headers={"authorization": f"Bearer {key}"},
            trust_env=False,
        )
        assert reply.status_code == 200, reply.text


def exported(site: Site, folder: Path) -> list[Path]:
    folder.mkdir()
    wait_for_the_next_second()
    site.ao("usage", "seal", "--now")
    return [Path(each["file"]) for each in site.ao("usage", "export", "--out", str(folder))["files"]]


def test_a_lost_site_comes_back_from_its_backup_and_is_billed_once(vendor: Vendor, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    config = config_of(("chat", "{name: demo}"))
    old = Site.licensed(tmp_path / "old", vendor, config, "--add-on", "demo", name="restored-1")
    secret, backup = tmp_path / "passphrase", tmp_path / "site.backup"
    secret.write_text("correct horse")
    secret.chmod(0o600)
    key = old.key()
    with old.serving(workers=2) as gateway:
        call(gateway.port, key, 3)
        first = exported(old, tmp_path / "first")
        call(gateway.port, key, 4)
        made = old.ao("backup", str(backup), "--passphrase-file", str(secret))
        assert {"ao.db", "site.key", "trust.pin"} <= set(made["members"])
        assert any(name.startswith("journal/") for name in made["members"]), "the gateway was running"
    assert {each["verdict"] for each in vendor.reconcile(first, tmp_path)["files"]} == {"accepted"}
    shutil.rmtree(old.state)

    new = replace(old, state=tmp_path / "new-state")
    told = new.ao("restore", str(backup), "--passphrase-file", str(secret))
    assert told["carried"] == 4
    refused = new.run("serve", "--port", str(free_port()))
    assert refused.exit_code == 26, refused
    assert len(new.ledger()) == 7

    licence = vendor.issue(Path(told["request"]), new.media / "again.json", "--re-enrol", "--add-on", "demo")
    new.ao("licence", "import", str(licence))
    with new.serving() as gateway:
        assert http_get(gateway.port, "/readyz")[0] == 200
        call(gateway.port, key, 5)
        files = exported(new, tmp_path / "second")
    done = vendor.reconcile(files, tmp_path)
    # The file before the backup goes out again: this state knows of no receipt for it.
    first_verdict, *others = [each["verdict"] for each in done["files"]]
    assert first_verdict == "already_accepted"
    assert set(others) <= {"accepted", "new_epoch"}, done
    assert sum(row["requests"] for row in done["totals"]) in (4 + 5, 3 + 4 + 5)
