"""A USB stick with FAT32, the kernel's own driver and a slow port: pulled out while usage is written to it."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from appliance.ledger.seal import sealed_files
from appliance.ledger.unacknowledged import acknowledged_seq
from appliance.state.site import open_site
from tests.real.filesystems import image, run
from tests.real.test_media_filesystems import used_site
from tests.vm.machine import machine

AO = Path(sys.executable).with_name("ao")
SLOW = 60_000
"""Bytes a second that the first stick takes: the export lasts for seconds."""

INSIDE = """
set -u
export PATH=/usr/sbin:/usr/bin:/sbin:/bin AO_STATE_DIR=/tmp/state HOME=/tmp
date -s @{now} >/dev/null
cp -a /mnt/state /tmp/state
mkdir /media/first /media/second
until [ -b /dev/sda ]; do sleep 0.1; done
mount -o nosuid,nodev,noexec /dev/sda /media/first && echo MOUNTED
{ao} media list --json > /mnt/list.json
{ao} media export --json > /mnt/first.json &
export=$!
until ls /media/first/AO/to-vendor/*/usage-* >/dev/null 2>&1; do sleep 0.1; done
echo "PULL IT OUT"
wait $export; echo $? > /mnt/first.code
umount -l /media/first
echo "NEXT ONE"
until [ -b /dev/sdb ] || [ -b /dev/sda ]; do sleep 0.1; done
for each in /dev/sdb /dev/sda; do
  [ -b $each ] && mount -o nosuid,nodev,noexec $each /media/second 2>/dev/null && echo "MOUNTED $each" && break
done
{ao} media export /media/second --json > /mnt/second.json; echo $? > /mnt/second.code
{ao} media eject /media/second --json > /mnt/eject.json; echo $? > /mnt/eject.code
sleep 1; ls /dev/sd? > /mnt/left 2>/dev/null
cp -a /tmp/state /mnt/after
sync
"""


def stick(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    file = image(folder / name, 64)
    run("mkfs.vfat", "-F", "32", file)
    return file


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text())


def usage_on(folder: Path, file: Path) -> dict[str, bytes]:
    """What lies on a stick's image, read with mtools: no driver that could still mend anything."""
    out = folder / f"out-{file.parent.name}"
    out.mkdir()
    subprocess.run(["mcopy", "-s", "-n", "-i", file, "::AO", out], check=True)
    return {each.name: each.read_bytes() for each in out.rglob("usage-*")}


@pytest.mark.timeout(900)
def test_a_stick_pulled_out_in_mid_export_holds_whole_files_and_the_next_holds_all(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    sealed = used_site(shared / "state")
    first, second = stick(tmp_path, "first"), stick(tmp_path, "second")
    inside = INSIDE.format(ao=AO, now=int(datetime.now(UTC).timestamp()))
    with machine(shared, inside) as vm:
        vm.plug_in("first", first, bytes_per_second=SLOW)
        vm.wait_for("PULL IT OUT")
        vm.pull_out("first")
        vm.wait_for("NEXT ONE")
        vm.plug_in("second", second)
        vm.wait_for("INSIDE ENDED")
        vm.wait_for_the_end()
    (found,) = read(shared, "list.json")["media"]
    assert (found["path"], found["filesystem"], found["why"]) == ("/media/first", "vfat", "removable")
    refused = read(shared, "first.json")
    assert refused["error"]["code"].startswith("media_"), refused
    assert refused["failed"] == refused["error"]["code"]
    assert int((shared / "first.code").read_text()) in range(50, 60)
    assert read(shared, "second.json")["failed"] is None
    assert "safe to remove" in read(shared, "eject.json")["said"][0]
    assert read(shared, "eject.json")["said"][1:] == ["Its power is off."]
    assert (shared / "left").read_text() == ""
    whole = usage_on(tmp_path, first)
    assert whole.items() <= sealed.items()
    assert len(whole) < len(sealed)
    assert {each["file"] for each in refused["out"]} <= set(whole), "what was said to be written is there"
    assert usage_on(tmp_path, second) == sealed
    with closing(open_site(shared / "after")) as site:
        assert {each.name: each.data for each in sealed_files(site.database)} == sealed
        assert acknowledged_seq(site) == 0
        assert site.verify_audit().first_bad is None
