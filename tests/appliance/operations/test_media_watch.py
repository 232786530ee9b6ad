"""A station that nobody sits at acts once on each medium for its site, and outlives whatever one of them does."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.errors import StateDamaged
from appliance.operations.media_watch import watch
from media.errors import Unreadable
from media.medium import Medium, medium_at
from tests.appliance.papers import SITE

UNIT = Path(__file__).parents[3] / "packaging" / "systemd" / "ao-media-watch.service"


def plugged_in(folder: Path, name: str, *, site: str = SITE, mount: str | None = None) -> Medium:
    inbox = folder / name / "AO" / "to-site" / site
    inbox.mkdir(parents=True)
    (inbox / "licence.json").write_bytes(b"{}")
    medium = medium_at(folder / name)
    return replace(medium, mount=replace(medium.mount, id=mount or name))


class Station:
    """What it finds at each look; it is stopped after the last."""

    def __init__(self, *looks: list[Medium] | Exception) -> None:
        self.looks = list(looks)
        self.acted: list[str] = []

    def find(self) -> list[Medium]:
        found = self.looks.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def run(self, act: Callable[[Medium], None] | None = None) -> list[str]:
        def acting(medium: Medium) -> None:
            self.acted.append(medium.path.name)
            if act is not None:
                act(medium)

        watch(SITE, acting, stopped=lambda: not self.looks, pause=lambda _: None, find=self.find)
        return self.acted


def test_each_medium_is_acted_on_once_until_it_is_plugged_in_again(tmp_path: Path) -> None:
    blue, red = plugged_in(tmp_path, "blue"), plugged_in(tmp_path, "red")
    again = replace(blue, mount=replace(blue.mount, id="later"))
    assert Station([blue], [blue], [blue, red], [], [again]).run() == ["blue", "red", "blue"]


def test_media_for_other_sites_or_of_nobody_are_left_alone(tmp_path: Path) -> None:
    other = plugged_in(tmp_path, "other", site="another-site")
    (tmp_path / "plain" / SITE).mkdir(parents=True)
    assert Station([other, medium_at(tmp_path / "plain")]).run() == []


@pytest.mark.parametrize(
    "fault",
    [Unreadable("It is gone."), StateDamaged("It is damaged."), OSError(5, "Input/output error"), ValueError("odd")],
    ids=lambda fault: type(fault).__name__,
)
def test_what_goes_wrong_with_one_does_not_stop_the_next(
    tmp_path: Path, fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def act(medium: Medium) -> None:
        if medium.path.name == "bad":
            raise fault

    media = [plugged_in(tmp_path, name) for name in ("bad", "good")]
    assert Station(Unreadable("no table"), media, media).run(act) == ["bad", "good"]
    assert str(tmp_path / "bad") in caplog.text


def test_a_medium_that_cannot_be_looked_at_is_passed_over(tmp_path: Path) -> None:
    gone = plugged_in(tmp_path, "gone")
    shutil.rmtree(tmp_path / "gone")
    hostile = plugged_in(tmp_path, "hostile")
    shutil.rmtree(tmp_path / "hostile" / "AO")
    (tmp_path / "hostile" / "AO").symlink_to("/")
    assert Station([gone, hostile, plugged_in(tmp_path, "good")]).run() == ["good"]


def test_the_unit_starts_on_hosts_without_those_folders_and_kills_nobody_for_a_new_system_call() -> None:
    """Folders that a host may lack have a dash; a call that an older systemd does not know is refused, not punished."""
    lines = dict(line.split("=", 1) for line in UNIT.read_text().splitlines() if re.match(r"[A-Z]\w+=", line))
    writable = lines["ReadWritePaths"].split()
    assert [each for each in writable if not each.startswith("-")] == ["/var/lib/ao"]
    assert lines["SystemCallErrorNumber"] == "EPERM"
    assert lines["ExecStart"].endswith(" media watch")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed (apt: systemd)")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/ao/current/bin/ao", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if unit.name in line]
    assert said == []
