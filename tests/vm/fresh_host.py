"""A host with a TPM, a hardware clock and a USB stick, as the preflight sees it and the first run sets it up."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from licensing.site_request import open_site_request
from licensing.trust import pin
from tests.appliance.papers import trust_bytes
from tests.real.filesystems import image, run
from tests.rules.tree import ROOT
from tests.vm.machine import machine

AO = Path(sys.executable).with_name("ao")

MINUTES = 20
"""Emulated in software, each command takes half a minute."""

INSIDE = """
set -u
export PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONPATH={root} HOME=/tmp LANG=C AO_STATE_DIR=/tmp/state
date -s @{now} >/dev/null
cd /tmp
ao() {{ {python} -m tests.installer.commands "$@"; }}
ao preflight --prefix /tmp/ao --json > /mnt/before.json; echo $? > /mnt/before.code
until [ -b /dev/sda ]; do sleep 0.1; done
mkdir /media/usb
mount -o nosuid,nodev,noexec /dev/sda /media/usb && echo MOUNTED
ao setup --answers /mnt/answers.toml --settings /tmp/settings.toml --ao {ao} --json > /mnt/setup.json
echo $? > /mnt/setup.code
umount /media/usb
date -s @{wrong} >/dev/null
ao preflight --prefix /tmp/ao --json > /mnt/wrong.json; echo $? > /mnt/wrong.code
sync
"""

ANSWERS = """
[site]
id = "harbour-hospital"
name = "Harbour Hospital, basement"
trust_digest = "{digest}"
[administrator]
name = "anna"
password_file = "/mnt/password"
enrolment_file = "/tmp/enrolment"
"""


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text())


def verdicts(report: Any) -> dict[str, str]:
    return {each["check"]: each["verdict"] for each in report["findings"]}


@pytest.mark.timeout(MINUTES * 60 + 60)
def test_a_fresh_host_is_looked_at_and_set_up_from_a_stick(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (tmp_path / "trust.json").write_bytes(trust_bytes())
    (shared / "answers.toml").write_text(ANSWERS.format(digest=pin(trust_bytes()).digest))
    (shared / "password").write_text("tram gravel onion 47 lantern\n")
    (shared / "password").chmod(0o600)
    stick = image(tmp_path, 64)
    run("mkfs.vfat", "-F", "32", stick)
    run("mcopy", "-i", stick, tmp_path / "trust.json", "::trust.json")
    now = int(datetime.now(UTC).timestamp())
    inside = INSIDE.format(root=ROOT, python=sys.executable, ao=AO, now=now, wrong=now - 86_400 * 365 * 20)
    with machine(shared, inside, tpm=True) as vm:
        vm.plug_in("stick", stick)
        vm.wait_for("INSIDE ENDED", seconds=MINUTES * 60)
        vm.wait_for_the_end()

    before = read(shared, "before.json")
    found = {each["check"]: each for each in before["findings"]}
    assert found["tpm"]["seen"].startswith("TPM 2.0.")
    assert (found["removable_media"]["verdict"], found["removable_media"]["seen"]) == ("pass", "vfat.")
    assert found["rtc"]["seen"] == "The hardware's clock agrees."
    assert found["clock"]["verdict"] == "pass"
    assert "tmpfs flushes to nowhere" in found["fsync"]["seen"]
    # All that fails is that its /tmp, half of a gibibyte of memory, is too small for a release and a state.
    assert {check for check, verdict in verdicts(before).items() if verdict == "fail"} == {"disk_space"}
    assert (shared / "before.code").read_text() == "120\n"

    done = read(shared, "setup.json")
    assert (shared / "setup.code").read_text() == "0\n", done
    assert {each["state"] for each in done["steps"]} <= {"done", "nothing to do"}
    back = tmp_path / "site-request.signed.json"
    subprocess.run(["mcopy", "-n", "-i", stick, f"::{back.name}", back], check=True)
    assert open_site_request(back.read_bytes()).claims.site == "harbour-hospital"

    wrong = verdicts(read(shared, "wrong.json"))
    assert (wrong["clock"], wrong["rtc"]) == ("fail", "warn")
    assert (shared / "wrong.code").read_text() == "120\n"
