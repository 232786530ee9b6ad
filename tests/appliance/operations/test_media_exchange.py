"""An exchange takes in what is for this site, gives out what the vendor needs, and leaves a sheet that tells it all."""

from __future__ import annotations

import json
import subprocess
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from appliance.ledger.seal import sealed_files
from appliance.ledger.unacknowledged import acknowledged_seq
from appliance.observe.audit import entries
from appliance.operations.media_exchange import exchange, require_allowed
from appliance.operations.media_import import Agree, Desk, inspect_medium
from appliance.operations.usage import seal_due
from appliance.state.site import CHALLENGE_BYTES, Site
from licensing.document import format_time
from licensing.site_request import open_site_request
from media.beneath import Beneath
from media.errors import UnsafeMount
from media.medium import medium_at
from tests.appliance.papers import DEMO_MODELS, NOW, SITE, config_bytes, licence_bytes, receipt_bytes
from tests.appliance.sites import any_secret, licensed_site, make_site, put_config

DAYS = 5


def all_of_it(_title: str, _lines: object) -> bool:
    return True


def stick(folder: Path) -> Path:
    path = folder / "stick"
    path.mkdir(exist_ok=True)
    return path


def inbox(folder: Path) -> Path:
    path = stick(folder) / "AO" / "to-site" / SITE
    path.mkdir(parents=True, exist_ok=True)
    return path


def outbox(folder: Path) -> Path:
    return stick(folder) / "AO" / "to-vendor" / SITE


def carry(site: Site, folder: Path, now: datetime, agree: Agree = all_of_it) -> dict[str, str]:
    desk = Desk(site, any_secret, now, bytes(CHALLENGE_BYTES))
    with Beneath.open(stick(folder)) as root:
        done = exchange(desk, root, medium_at(stick(folder)), agree, operator="eve")
    return {each.kind: each.refusal.code if each.refusal else each.outcome for each in done.taken}


def sealed_site(folder: Path) -> tuple[Site, datetime]:
    """A site with some sealed days that nobody has acknowledged."""
    site = licensed_site(folder / "state")
    now = NOW + timedelta(days=DAYS)
    seal_due(site, now, lead=None)
    return site, now


def test_one_visit_brings_a_new_site_into_service(tmp_path: Path) -> None:
    with closing(make_site(tmp_path / "state")) as site:
        licence = licence_bytes(key=site.key.public_key.keyid, epoch=site.epoch)
        (inbox(tmp_path) / "LICENCE.JSON").write_bytes(licence)
        (inbox(tmp_path) / "config.yaml.signed").write_bytes(config_bytes(DEMO_MODELS))
        assert carry(site, tmp_path, NOW) == {"licence": "new", "config": "new"}
        assert carry(site, tmp_path, NOW) == {"licence": "same", "config": "same"}


def test_what_is_declined_is_not_taken(tmp_path: Path) -> None:
    with closing(licensed_site(tmp_path / "state")) as site:
        (inbox(tmp_path) / "config.yaml.signed").write_bytes(config_bytes(DEMO_MODELS, serial=2))
        shown: list[str] = []

        def decline(title: str, lines: object) -> bool:
            shown.append(title)
            return False

        assert carry(site, tmp_path, NOW, decline) == {"config": "declined"}
        assert shown == ["Config 2 is put in force."]
        assert carry(site, tmp_path, NOW) == {"config": "new"}


def test_documents_for_another_site_are_not_looked_at(tmp_path: Path) -> None:
    with closing(licensed_site(tmp_path / "state")) as site:
        other = inbox(tmp_path).parent / "another-site"
        other.mkdir()
        (other / "licence.json").write_bytes(b"not for us")
        assert carry(site, tmp_path, NOW) == {}


def test_usage_goes_out_until_it_is_acknowledged_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    site, now = sealed_site(tmp_path)
    with closing(site):
        carry(site, tmp_path, now)
        first = {each.name: each.read_bytes() for each in outbox(tmp_path).glob("usage-*")}
        assert first == {each.name: each.data for each in sealed_files(site.database)}
        carry(site, tmp_path, now + timedelta(seconds=1))
        assert {each.name: each.read_bytes() for each in outbox(tmp_path).glob("usage-*")} == first
        last = sealed_files(site.database)[-1]
        receipt = receipt_bytes(
            epoch=site.epoch, seq=last.seq, head=last.digest, accepted_until=format_time(last.period.end)
        )
        (inbox(tmp_path) / f"receipt-{SITE}-{last.seq}.signed.json").write_bytes(receipt)
        assert carry(site, tmp_path, now + timedelta(seconds=2)) == {"receipt": "new"}
        sheet = json.loads(
            (outbox(tmp_path) / f"transfer-{now + timedelta(seconds=2):%Y%m%dT%H%M%SZ}.json").read_text()
        )
        assert sheet["out"] == []


def test_the_index_can_be_checked_with_what_every_host_has(tmp_path: Path) -> None:
    site, now = sealed_site(tmp_path)
    with closing(site):
        carry(site, tmp_path, now)
    checked = subprocess.run(
        ["sha256sum", "-c", "--strict", "index.txt"], cwd=outbox(tmp_path), capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.count(b": OK") == len(list(outbox(tmp_path).iterdir())) - 1


def test_a_site_that_needs_a_licence_sends_its_request_and_the_same_one_again(tmp_path: Path) -> None:
    with closing(make_site(tmp_path / "state")) as site:
        carry(site, tmp_path, NOW)
        request = outbox(tmp_path) / "site-request.signed.json"
        first = request.read_bytes()
        assert open_site_request(first).claims.site == SITE
        carry(site, tmp_path, NOW + timedelta(hours=1))
        assert request.read_bytes() == first
        request.write_bytes(b"spoilt")
        carry(site, tmp_path, NOW + timedelta(hours=2))
        assert open_site_request(request.read_bytes()).claims.epoch == site.epoch


def test_the_sheet_and_the_audit_trail_tell_what_was_carried(tmp_path: Path) -> None:
    site, now = sealed_site(tmp_path)
    with closing(site):
        (inbox(tmp_path) / "config.yaml.signed").write_bytes(config_bytes(DEMO_MODELS, serial=2))
        (inbox(tmp_path) / "licence.json").write_bytes(b"spoilt")
        carry(site, tmp_path, now)
        sheet = json.loads((outbox(tmp_path) / f"transfer-{now:%Y%m%dT%H%M%SZ}.json").read_text())
        assert [(each["kind"], each["outcome"], each["code"]) for each in sheet["in"]] == [
            ("licence", "refused", "document_malformed"),
            ("config", "new", None),
        ]
        assert len(sheet["out"]) == len(sealed_files(site.database))
        assert sheet["operator"] == "eve"
        text = (outbox(tmp_path) / f"transfer-{now:%Y%m%dT%H%M%SZ}.txt").read_bytes()
        assert b"Carried by ____" in text
        trail = list(entries(site.database))
        assert [each.act for each in trail][-2:] == ["config.import", "media.exchange"]
        assert trail[-1].detail == {"operator": "eve", "new": 1, "refused": 1, "written": len(sheet["out"])}
        assert trail[-2].digest == sheet["audit_head"]
        assert site.verify_audit().first_bad is None


def test_two_carryings_within_one_second_have_a_sheet_each(tmp_path: Path) -> None:
    with closing(licensed_site(tmp_path / "state")) as site:
        (inbox(tmp_path) / "config.yaml.signed").write_bytes(config_bytes(DEMO_MODELS, serial=2))
        carry(site, tmp_path, NOW)
        carry(site, tmp_path, NOW)
        sheets = sorted(each.name for each in outbox(tmp_path).glob("transfer-*.json"))
        assert sheets == [f"transfer-{NOW:%Y%m%dT%H%M%SZ}-2.json", f"transfer-{NOW:%Y%m%dT%H%M%SZ}.json"]
        said = [json.loads((outbox(tmp_path) / name).read_text())["in"][0]["outcome"] for name in sheets]
        assert said == ["same", "new"]


def test_the_sheet_names_each_documents_serial(tmp_path: Path) -> None:
    site, now = sealed_site(tmp_path)
    with closing(site):
        (inbox(tmp_path) / "config.yaml.signed").write_bytes(config_bytes(DEMO_MODELS, serial=7))
        carry(site, tmp_path, now)
        sheet = json.loads((outbox(tmp_path) / f"transfer-{now:%Y%m%dT%H%M%SZ}.json").read_text())
        assert [each["serial"] for each in sheet["in"]] == [7]
        assert [each["serial"] for each in sheet["out"]] == [each.seq for each in sealed_files(site.database)]
        text = (outbox(tmp_path) / f"transfer-{now:%Y%m%dT%H%M%SZ}.txt").read_text()
        assert "config.yaml.signed  " in text
        assert "serial 7  new" in text


def test_a_name_that_is_taken_costs_that_file_alone_and_is_told(tmp_path: Path) -> None:
    site, now = sealed_site(tmp_path)
    with closing(site):
        first, *others = sealed_files(site.database)
        outbox(tmp_path).mkdir(parents=True)
        (outbox(tmp_path) / first.name).write_bytes(b"of an earlier epoch")
        desk = Desk(site, any_secret, now, bytes(CHALLENGE_BYTES))
        with Beneath.open(stick(tmp_path)) as root:
            done = exchange(desk, root, medium_at(stick(tmp_path)), all_of_it, operator="eve")
        assert done.failure is not None
        assert done.as_dict()["error"]["code"] == "media_already_there"
        assert {each.path.name for each in done.sheet.sent} == {each.name for each in others}
        assert (outbox(tmp_path) / first.name).read_bytes() == b"of an earlier epoch"
        assert list(entries(site.database))[-1].detail["failed"] == "media_already_there"


def receipt_for(site: Site, seq: int) -> bytes:
    sealed = sealed_files(site.database)[seq - 1]
    return receipt_bytes(
        epoch=site.epoch, seq=seq, head=sealed.digest, accepted_until=format_time(sealed.period.end), serial=seq
    )


def test_a_receipt_is_taken_without_asking_and_inspecting_takes_nothing(tmp_path: Path) -> None:
    site, now = sealed_site(tmp_path)
    with closing(site):
        desk = Desk(site, any_secret, now, bytes(CHALLENGE_BYTES))
        for seq in (1, 2):
            (inbox(tmp_path) / f"receipt-{SITE}-{seq}.signed.json").write_bytes(receipt_for(site, seq))
        before = list(site.database.iterdump())
        with Beneath.open(stick(tmp_path)) as root:
            assert [each.outcome for each in inspect_medium(desk, root)] == ["new", "new"]
        assert list(site.database.iterdump()) == before
        assert carry(site, tmp_path, now, lambda _title, _lines: False) == {"receipt": "new"}
        assert acknowledged_seq(site) == 2


def test_a_receipt_for_usage_that_was_never_sealed_is_refused_when_inspected_too(tmp_path: Path) -> None:
    site, now = sealed_site(tmp_path)
    with closing(site):
        desk = Desk(site, any_secret, now, bytes(CHALLENGE_BYTES))
        unknown = receipt_bytes(epoch=site.epoch, seq=99, head="sha256:" + "0" * 64, accepted_until=format_time(NOW))
        (inbox(tmp_path) / f"receipt-{SITE}-99.signed.json").write_bytes(unknown)
        with Beneath.open(stick(tmp_path)) as root:
            (taken,) = inspect_medium(desk, root)
        assert taken.refusal is not None
        assert taken.refusal.code == "usage_unknown"


POLICY = DEMO_MODELS + "media:\n  require_safe_mount: true\n"


def test_a_config_can_ask_for_safe_mounts_and_then_nothing_is_taken_from_others(tmp_path: Path) -> None:
    with closing(licensed_site(tmp_path / "state")) as site:
        medium = medium_at(stick(tmp_path))
        assert require_allowed(site, medium, writing=False)
        put_config(site, POLICY, serial=2)
        with pytest.raises(UnsafeMount, match="ro,nosuid,nodev,noexec"):
            require_allowed(site, medium, writing=False)
        with pytest.raises(UnsafeMount) as caught:
            require_allowed(site, medium, writing=True)
        assert "ao media export" in caught.value.remedy
        options = medium.mount.options | {"ro", "nosuid", "nodev", "noexec"}
        safe = replace(medium, mount=replace(medium.mount, options=options))
        assert require_allowed(site, safe, writing=False) == []


def test_a_config_that_is_believed_no_more_asks_for_safe_mounts_whatever_it_said(tmp_path: Path) -> None:
    with closing(licensed_site(tmp_path / "state")) as site:
        medium = medium_at(stick(tmp_path))
        site.database.execute("UPDATE documents SET bytes = ? WHERE role LIKE 'config%'", (b"spoilt",))
        with pytest.raises(UnsafeMount):
            require_allowed(site, medium, writing=False)
    with closing(make_site(tmp_path / "new")) as site:
        assert require_allowed(site, medium, writing=False), "a site without a config is warned, not stopped"


@pytest.mark.parametrize(
    ("statement", "bad"),
    [
        ("UPDATE audit SET who = 'nobody' WHERE seq = 2", 2),
        ("UPDATE audit SET detail = '{}' WHERE seq = 1", None),
        ("DELETE FROM audit WHERE seq = 2", 2),
        ("DELETE FROM audit WHERE seq >= 3", 3),
        ("UPDATE audit SET seq = seq + 100 WHERE seq = 1", 1),
        ("DELETE FROM audit_head", 3),
        ("UPDATE audit_head SET seq = 2", 3),
    ],
)
def test_a_trail_that_was_touched_names_its_first_bad_entry(tmp_path: Path, statement: str, bad: int | None) -> None:
    with closing(licensed_site(tmp_path / "state")) as site:
        assert site.verify_audit().entries == 3
        for trigger in ("audit_is_not_edited", "audit_is_not_shortened"):
            site.database.execute(f"DROP TRIGGER {trigger}")
        site.database.execute(statement)
        assert site.verify_audit().first_bad == bad


def test_the_trail_cannot_be_edited_by_accident(tmp_path: Path) -> None:
    with closing(licensed_site(tmp_path / "state")) as site:
        for statement in ("UPDATE audit SET who = 'nobody'", "DELETE FROM audit"):
            with pytest.raises(Exception, match="only added to"):
                site.database.execute(statement)


def test_a_policy_takes_nothing_from_a_medium_that_is_not_mounted_safely(tmp_path: Path) -> None:
    text = DEMO_MODELS + "media: {require_safe_mount: true}\n"
    with closing(licensed_site(tmp_path / "state", text)) as site:
        unsafe = medium_at(stick(tmp_path))
        with pytest.raises(UnsafeMount, match="not mounted ro,nosuid,nodev,noexec"):
            require_allowed(site, unsafe, writing=False)
        mount = replace(unsafe.mount, options=frozenset({"ro", "nosuid", "nodev", "noexec", "relatime"}))
        assert require_allowed(site, replace(unsafe, mount=mount), writing=False) == []
    with closing(licensed_site(tmp_path / "other")) as site:
        (warning,) = require_allowed(site, unsafe, writing=False)
        assert "is not mounted" in warning
