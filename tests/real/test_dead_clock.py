"""Three months without power, and a battery that died: the host comes up in another year, with no network to ask.

The recipe of appliance/OPERATING.md, step by step, with the real commands; each host's clock is set by faketime.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from licensing.document import format_time, parse_time
from licensing.version import BUILD_TIME
from tests.real.site_and_vendor import PROGRAMS, Done, Site, Vendor, config_of, run

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not installed"),
]
DEMO = "{name: demo}"
THREE_MONTHS = timedelta(days=92)
DEAD = {"in 2000": datetime(2000, 1, 1, 0, 0, 10, tzinfo=UTC), "at the build": BUILD_TIME}


def clock(moment: datetime) -> tuple[str, ...]:
    return ("faketime", f"{moment:%Y-%m-%d %H:%M:%S} UTC")


@pytest.mark.parametrize("dead", DEAD.values(), ids=DEAD)
def test_three_months_off_with_a_dead_battery(vendor: Vendor, tmp_path: Path, dead: datetime) -> None:
    name = f"dark-{dead.year}"
    site = Site.licensed(tmp_path, vendor, config_of(("m-demo", DEMO)), "--add-on", "demo", "--days", "365", name=name)
    back = datetime.now(UTC).replace(microsecond=0) + THREE_MONTHS

    def at(moment: datetime) -> Callable[..., Done]:
        return lambda *words: site.run(*words, "--json", prefix=clock(moment))

    host = at(dead)
    # The state is clear: which rung, since when, and what to do.
    status = host("status")
    assert status.exit_code == 27
    licence = status.data["licence"]
    assert (licence["rung"], licence["serves"]) == ("clock_untrusted", False)
    assert f"This host's clock says {dead.year}-" in licence["sentence"]
    assert "Set this host's clock" in licence["remedy"]
    assert host("serve").exit_code == 27

    # Media go on: a request out, and the vendor's word about the hour in.
    request = tmp_path / "request.json"
    assert host("site", "request", "--out", str(request)).exit_code == 0
    token = tmp_path / "time.json"
    desk = [str(PROGRAMS / "ao-vendor"), "--home", str(vendor.home), "time", "issue", str(request), "--out", str(token)]
    issued = run([*clock(back), *desk, "--passphrase-file", str(vendor.passphrase_file), "--json"])
    assert issued.exit_code == 0, issued
    done = host("time", "import", str(token))
    assert done.exit_code == 0, done
    assert abs(parse_time(done.data["time_floor"]) - back) < timedelta(minutes=2)
    assert done.data["dated_later"] == []
    assert host("time", "import", str(token)).error["code"] == "document_audience", "once"

    # The dead clock is believed no more than before, and now it is known how wrong it is.
    again = host("status").data
    assert again["licence"]["rung"] == "clock_untrusted"
    assert again["time_floor"] == {"at": done.data["time_floor"], "source": "a time token"}

    # The clock set as the token says: all is as it was, and the months without power are told, empty.
    host = at(back + timedelta(minutes=3))
    assert host("status").exit_code == 0
    assert host("licence", "show").data["rung"] == "valid"
    assert host("status").data["time_floor"]["at"] >= format_time(back - timedelta(minutes=2))
