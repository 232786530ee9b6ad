"""Tries: licence rollback: restoring an older copy of the whole state folder, whose licence had larger caps.

Meets: Root wins until the next licence; the vendor sees two usage files of one seq, and which licence serial each
names. The older licence is then `serial_refused`.
"""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from appliance.operations.licence import standing
from appliance.operations.usage import import_receipt, seal_now
from appliance.state.site import Site, open_site
from licensing.errors import Refusal
from licensing.usage import open_usage
from tests.appliance.papers import NOW, receipt_bytes
from tests.appliance.sites import on_stick, put_licence


def test_root_wins_an_older_state_file_brings_the_older_licence_back_until_the_next_one(
    site: Site, tmp_path: Path
) -> None:
    """Nothing on the host can tell. The vendor sees two files of one seq, and which licence serial they name."""
    first = seal_now(site, NOW + timedelta(hours=1))[-1]
    shutil.copytree(site.folder, tmp_path / "older")
    put_licence(site, serial=2, caps={"rpm": 1})
    receipt = receipt_bytes(
        epoch=site.epoch, seq=first.seq, head=first.digest, accepted_until="2026-11-24T13:00:00Z", serial=1
    )
    import_receipt(site, on_stick(site, "r.json", receipt), NOW + timedelta(hours=2))
    after = seal_now(site, NOW + timedelta(hours=3))[-1]
    restored = open_site(tmp_path / "older")
    held = standing(restored, NOW).licence
    assert held is not None
    assert held.serial == 1
    fork = seal_now(restored, NOW + timedelta(hours=3))[-1]
    assert (fork.seq, fork.digest != after.digest) == (after.seq, True)
    named = [open_usage(each.data, site.key.public_key).claims for each in (after, fork)]
    assert named[0].previous == named[1].previous == first.digest
    assert [each.licence_serial for each in named] == [2, 1]
    put_licence(restored, serial=3)
    with pytest.raises(Refusal) as caught:
        put_licence(restored, serial=1)
    assert caught.value.code == "serial_refused"
    restored.close()
