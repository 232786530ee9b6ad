"""The whole crossing over real filesystems: from the vendor's desk to a site and back, by commands only."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from appliance.ledger.seal import sealed_files
from appliance.operations.usage import seal_due
from appliance.state.site import open_site
from tests.appliance.papers import DEMO_MODELS, SITE, config_bytes, licence_bytes
from tests.appliance.sites import make_site, put_config, put_licence
from tests.real.filesystems import CARRIERS, Carrier, disc, mounted, need

pytestmark = pytest.mark.real

PROGRAMS = Path(sys.executable).parent
DAYS = 40
ROOM = 16
"""Small files taken away again from a full medium: room for some of the usage files and not for all."""


def ao(state: Path, *arguments: str | Path, expect: int = 0) -> dict[str, Any]:
    """What `ao … --json` said."""
    done = subprocess.run(
        [PROGRAMS / "ao", *arguments, "--state-dir", state, "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == expect, done.stdout + done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def vendor(*arguments: str | Path) -> dict[str, Any]:
    done = subprocess.run([PROGRAMS / "ao-vendor", *arguments, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def new_site(state: Path) -> tuple[bytes, bytes]:
    """A site in a state folder, and the licence and config that are for it."""
    now = datetime.now(UTC).replace(microsecond=0)
    with closing(make_site(state, now=now)) as site:
        licence = licence_bytes(key=site.key.public_key.keyid, epoch=site.epoch, now=now)
    return licence, config_bytes(DEMO_MODELS, now=now)


def used_site(state: Path) -> dict[str, bytes]:
    """A site with sealed days; returns its usage files."""
    now = datetime.now(UTC).replace(microsecond=0)
    begun = now - timedelta(days=DAYS)
    with closing(make_site(state, now=begun)) as site:
        put_licence(site, now=begun)
        put_config(site, now=begun)
        seal_due(site, now, lead=None)
        return {each.name: each.data for each in sealed_files(site.database)}


@pytest.fixture(params=list(CARRIERS))
def carrier(request: pytest.FixtureRequest, tmp_path: Path) -> Carrier:
    make = CARRIERS[request.param]
    folder = tmp_path / "carrier"
    folder.mkdir()
    return make(folder)


def test_a_licence_and_a_config_come_in_and_usage_goes_out(carrier: Carrier, tmp_path: Path) -> None:
    state = tmp_path / "state"
    licence, config = new_site(state)
    (tmp_path / "plant-7.licence.json").write_bytes(licence)
    (tmp_path / "plant-7.config").write_bytes(config)
    with carrier.plugged_in() as path:
        files = [tmp_path / "plant-7.licence.json", tmp_path / "plant-7.config"]
        vendor("media", "export", path, *files, "--site", SITE)
    with carrier.plugged_in() as path:
        done = ao(state, "media", "exchange", path, "--yes", "--operator", "eve")
        assert [(each["kind"], each["outcome"]) for each in done["in"]] == [("licence", "new"), ("config", "new")]
    assert ao(state, "status")["licence"]["rung"] == "valid"
    ao(state, "usage", "seal", "--now")
    with carrier.plugged_in() as path:
        done = ao(state, "media", "exchange", path, "--yes")
        assert {each["outcome"] for each in done["in"]} == {"same"}
        assert [each["file"].startswith("usage-") for each in done["out"]] == [True]
    with carrier.plugged_in() as path:
        seen = vendor("media", "inspect", path)["files"]
        assert sorted({(each["direction"], each["kind"]) for each in seen}) == [
            ("to-site", "config"),
            ("to-site", "licence"),
            ("to-vendor", "usage"),
        ]
        copied = vendor("media", "import", path, "--into", tmp_path / "incoming")["files"]
        checked = subprocess.run(
            ["sha256sum", "-c", "--strict", "index.txt"],
            cwd=path / "AO" / "to-vendor" / SITE,
            capture_output=True,
            check=False,
        )
        assert checked.returncode == 0, checked.stderr
    with closing(open_site(state)) as site:
        assert {Path(each["copy"]).read_bytes() for each in copied} == {x.data for x in sealed_files(site.database)}


def test_what_lies_there_is_found_in_whatever_case_it_is_written(carrier: Carrier, tmp_path: Path) -> None:
    state = tmp_path / "state"
    licence, config = new_site(state)
    with carrier.plugged_in() as path:
        inbox = path / "ao" / "TO-SITE" / SITE.upper()
        inbox.mkdir(parents=True)
        (inbox / "LICENCE.JSN").write_bytes(licence)
        (inbox / "CONFIG.YML").write_bytes(config)
    with carrier.plugged_in() as path:
        done = ao(state, "media", "import", path, "--yes")
    assert [each["outcome"] for each in done["in"]] == ["new", "new"]


def fill(path: Path) -> list[Path]:
    """Fills a medium to the last small file; returns the small ones."""
    with suppress(OSError), (path / "filler").open("wb", buffering=0) as stream:
        while True:
            stream.write(b"\xa5" * 65536)
            os.fsync(stream.fileno())
    small: list[Path] = []
    with suppress(OSError):
        while len(small) < 5000:
            each = path / f"f{len(small):04d}"
            with each.open("wb", buffering=0) as stream:
                small.append(each)
                if stream.write(b"\xa5" * 4096) < 4096:
                    break
                os.fsync(stream.fileno())
    return small


def test_a_medium_that_fills_up_holds_whole_files_and_says_so(carrier: Carrier, tmp_path: Path) -> None:
    state = tmp_path / "state"
    sealed = used_site(state)
    with carrier.plugged_in() as path:
        (path / "AO" / "to-vendor" / SITE).mkdir(parents=True)
        fillers = fill(path)
        for each in fillers[:ROOM]:
            each.unlink()
        refused = ao(state, "media", "export", path, expect=56)
        assert refused["error"]["code"] == "media_full"
        there = {each.name: each.read_bytes() for each in path.rglob("usage-*")}
        assert there.items() <= sealed.items()
        assert len(there) < len(sealed)
        for each in [*fillers[ROOM:], path / "filler"]:
            each.unlink()
        assert len(ao(state, "media", "export", path)["out"]) == len(sealed)
        assert {each.name: each.read_bytes() for each in path.rglob("usage-*")} == sealed
        assert not list(path.rglob("*.tmp"))


def test_an_exchange_with_a_medium_that_is_full_tells_and_records_what_it_took_in(tmp_path: Path) -> None:
    need("mount")
    state = tmp_path / "state"
    licence, config = new_site(state)
    with mounted(
        ["mount", "-t", "tmpfs", "-o", "size=256k,nr_inodes=64", "none", tmp_path / "small"], tmp_path / "small"
    ) as path:
        inbox = path / "AO" / "to-site" / SITE
        inbox.mkdir(parents=True)
        (inbox / "licence.json").write_bytes(licence)
        (inbox / "config.yaml.signed").write_bytes(config)
        fill(path)
        done = ao(state, "media", "exchange", path, "--yes", "--request", "--operator", "eve", expect=56)
        assert done["error"]["code"] == done["failed"] == "media_full"
        assert [each["outcome"] for each in done["in"]] == ["new", "new"]
        assert done["out"] == []
        assert not list(path.rglob("*.tmp"))
        assert not list((path / "AO").rglob("transfer-*"))
    (entry,) = ao(state, "audit", "list", "--act", "media")["entries"]
    assert entry["detail"] == {"failed": "media_full", "new": 2, "operator": "eve", "written": 0}
    assert ao(state, "status")["licence"]["rung"] == "valid"


def test_a_disc_can_be_read_and_is_not_written(tmp_path: Path) -> None:
    state = tmp_path / "state"
    licence, config = new_site(state)
    inbox = tmp_path / "content" / "AO" / "to-site" / SITE
    inbox.mkdir(parents=True)
    (inbox / "licence.json").write_bytes(licence)
    (inbox / "config.yaml.signed").write_bytes(config)
    with disc(tmp_path, tmp_path / "content") as path:
        done = ao(state, "media", "import", path, "--yes")
        assert [each["outcome"] for each in done["in"]] == ["new", "new"]
        refused = ao(state, "media", "export", path, "--request", expect=57)
        assert refused["error"]["code"] == "media_read_only"


def test_a_medium_pulled_out_in_mid_export_loses_nothing(tmp_path: Path) -> None:
    """The FAT driver is killed under the export's hands, which is what a program sees of a stick that is gone."""
    need("mkfs.vfat", "fusefat")
    state = tmp_path / "state"
    sealed = used_site(state)
    folder = tmp_path / "carrier"
    folder.mkdir()
    carrier = CARRIERS["FAT32"](folder)
    with carrier.plugged_in() as path:
        export = subprocess.Popen(
            [PROGRAMS / "ao", "media", "export", path, "--state-dir", state, "--json"],
            stdout=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and export.poll() is None:
            with suppress(OSError):
                if any(path.rglob("usage-*")):
                    break
        kill_driver_of(path)
        said, _ = export.communicate(timeout=60)
        assert export.returncode in (50, 53, 55, 59), said
        assert json.loads(said)["error"]["code"].startswith("media_")
    second = tmp_path / "second"
    second.mkdir()
    assert len(ao(state, "media", "export", second)["out"]) == len(sealed)
    assert {each.name: each.read_bytes() for each in second.rglob("usage-*")} == sealed
    assert ao(state, "status")["usage"]["acknowledged_seq"] == 0


def kill_driver_of(path: Path) -> None:
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = each.read_bytes().split(b"\0")
            if words[0].endswith(b"fusefat") and os.fsencode(path) in words:
                os.kill(int(each.parent.name), signal.SIGKILL)


def test_ejecting_unmounts_unless_something_still_uses_it(carrier: Carrier, tmp_path: Path) -> None:
    state = tmp_path / "state"
    new_site(state)
    with carrier.plugged_in() as path:
        with (path / "in-use").open("wb"):
            refused = ao(state, "media", "eject", path, expect=55)
            assert "still uses it" in refused["error"]["message"]
        ao(state, "media", "eject", path)
        assert not path.is_mount()


def test_a_station_acts_on_media_that_hold_something_for_its_site_and_on_no_others(tmp_path: Path) -> None:
    need("mkfs.ext4")
    state = tmp_path / "state"
    licence, _ = new_site(state)
    folder = tmp_path / "carrier"
    folder.mkdir()
    carrier = CARRIERS["ext4"](folder)
    place = Path("/media") / f"ao-test-{os.getpid()}"
    log = tmp_path / "log"
    with log.open("wb") as out:
        station = subprocess.Popen(
            [PROGRAMS / "ao", "media", "watch", "--yes", "--state-dir", state], stdout=out, stderr=out
        )
    try:
        with carrier.plugged_in() as path:
            place.mkdir(parents=True)
            subprocess.run(["mount", "--bind", path, place], check=True)
            subprocess.run(["umount", place], check=True)
            (path / "foreign").write_bytes(b"nothing for the site")
            inbox = path / "AO" / "to-site" / SITE
            inbox.mkdir(parents=True)
            (inbox / "licence.json").write_bytes(licence)
            subprocess.run(["mount", "--bind", path, place], check=True)
            try:
                deadline = time.monotonic() + 40
                while time.monotonic() < deadline and not list(path.rglob("transfer-*.json")):
                    time.sleep(0.2)
                assert list(path.rglob("transfer-*.json")), log.read_text()
            finally:
                station.send_signal(signal.SIGTERM)
                assert station.wait(30) == 0
                subprocess.run(["umount", place], check=True)
    finally:
        station.kill()
        station.wait()
        with suppress(OSError):
            place.rmdir()
    assert ao(state, "licence", "show")["rung"] == "valid"
