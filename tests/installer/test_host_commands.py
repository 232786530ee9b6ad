"""`ao install|upgrade|rollback|uninstall` on roots that do not run: what they say, and how they end."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.installer import made_up
from tests.installer.commands import main
from tests.installer.reachable import reachable

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="users are made")


def ao(*words: str | Path, expect: int = 0, stdin: str = "") -> Result:
    done = CliRunner().invoke(main, [str(each) for each in words], input=stdin)
    assert done.exit_code == expect, (words, done.output, done.exception)
    return done


def told(*words: str | Path, expect: int = 0) -> dict[str, Any]:
    found = json.loads(ao(*words, "--json", expect=expect).stdout)
    assert isinstance(found, dict)
    return found


def refused(*words: str | Path, expect: int) -> dict[str, str]:
    error = told(*words, expect=expect)["error"]
    assert isinstance(error, dict)
    assert error["message"].endswith(".")
    assert error["remedy"]
    return error


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return made_up.root(reachable(tmp_path) / "root")


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return made_up.release(tmp_path / "first", "0.1.0")


def test_a_dry_run_prints_what_an_installation_then_does_and_does_nothing(root: Path, first: Path) -> None:
    before = sorted(root.rglob("*"))
    planned = told("install", "--root", root, "--from", first, "--dry-run")
    assert sorted(root.rglob("*")) == before
    done = told("install", "--root", root, "--from", first)
    assert done == {"version": "0.1.0", "started": False, "steps": planned["steps"]}
    assert (root / "opt/ao/current").readlink() == Path("/opt/ao/releases/0.1.0")
    assert (root / "var/lib/ao").stat().st_uid != 0
    again = ao("install", "--root", root, "--from", first)
    written = [line for line in again.stderr.splitlines() if not line.endswith("is so already")]
    assert written == [], "nothing is done twice"


def test_answers_are_kept_and_settings_are_the_operators(root: Path, first: Path, tmp_path: Path) -> None:
    (tmp_path / "answers.toml").write_text('[install]\nport = 8443\nallow = ["10.1.0.0/16"]\n')
    ao("install", "--root", root, "--from", first, "--answers", tmp_path / "answers.toml")
    policy = root / "etc/systemd/system/ao.service.d/50-network.conf"
    assert "IPAddressAllow=10.1.0.0/16" in policy.read_text()
    settings = root / "etc/ao/settings.toml"
    assert "port = 8443" in settings.read_text()
    settings.write_text("port = 9000\n")
    policy.write_text("gone\n")
    ao("install", "--root", root, "--from", first)
    assert "IPAddressAllow=10.1.0.0/16" in policy.read_text()
    assert settings.read_text() == "port = 9000\n"


def test_another_release_is_no_installation(root: Path, first: Path, tmp_path: Path) -> None:
    ao("install", "--root", root, "--from", first)
    second = made_up.release(tmp_path / "second", "0.2.0")
    assert refused("install", "--root", root, "--from", second, expect=115)["code"] == "already_installed"
    done = told("install", "--root", root, "--from", second, "--upgrade")
    assert (done["from"], done["to"], done["away_seconds"]) == ("0.1.0", "0.2.0", None)
    assert (root / "etc/systemd/system/ao.service").read_text().strip() == "# 0.2.0"
    back = told("rollback", "--root", root)
    assert (back["from"], back["to"]) == ("0.2.0", "0.1.0")
    third = made_up.release(tmp_path / "third", "0.3.0", upgrades_from="0.2.0")
    assert "0.2.0 or newer" in refused("install", "--root", root, "--from", third, "--upgrade", expect=117)["message"]
    assert not (root / "opt/ao/releases/0.3.0").exists()


def test_a_state_that_cannot_be_told_to_the_release_before_stays(root: Path, first: Path, tmp_path: Path) -> None:
    ao("install", "--root", root, "--from", first)
    (root / "var/lib/ao/ao.db").write_text("1 a")
    os.chown(root / "var/lib/ao/ao.db", (root / "var/lib/ao").stat().st_uid, -1)
    ao(
        "install",
        "--root",
        root,
        "--from",
        made_up.release(tmp_path / "2", "0.2.0", schema=2, returns_to=2),
        "--upgrade",
    )
    assert (root / "var/lib/ao/ao.db").read_text() == "2 a"
    error = refused("rollback", "--root", root, expect=117)
    assert "schema 2" in error["message"]
    older = made_up.release(tmp_path / "3", "0.3.0", schema=1)
    assert "schema 2" in refused("install", "--root", root, "--from", older, "--upgrade", expect=117)["message"]
    assert (root / "opt/ao/current").readlink().name == "0.2.0"


def test_a_damaged_release_is_refused_before_anything(root: Path, first: Path) -> None:
    (first / "lib/a.py").write_text("a = 2\n")
    assert refused("install", "--root", root, "--from", first, expect=112)["where"].endswith("lib/a.py")
    assert not (root / "opt/ao").exists()


def test_a_removal_wants_to_be_told_what_of_the_data(root: Path, first: Path) -> None:
    ao("install", "--root", root, "--from", first)
    (root / "var/lib/ao/ao.db").write_text("1 a")
    assert refused("uninstall", "--root", root, "--yes", expect=121)["code"] == "answer_refused"
    assert refused("uninstall", "--root", root, "--purge", "--yes", expect=119)["code"] == "usage_unsaved"
    assert refused("uninstall", "--root", root, "--keep-data", expect=121)["remedy"] == "Add --yes."
    ao("uninstall", "--root", root, "--keep-data", expect=121, stdin="\nn\n")
    assert (root / "opt/ao/current").is_symlink(), "nobody agreed"
    steps = told("uninstall", "--root", root, "--keep-data", "--dry-run")["steps"]
    assert not any("/var/lib/ao" in step for step in steps)
    told("uninstall", "--root", root, "--keep-data", "--yes")
    assert (root / "var/lib/ao/ao.db").read_text() == "1 a"
    assert not (root / "opt/ao").exists()
    ao("install", "--root", root, "--from", first)
    told("uninstall", "--root", root, "--purge", "--yes", "--without-usage")
    assert not (root / "var/lib/ao").exists()
    assert "ao:" not in (root / "etc/passwd").read_text(), "the user that came with the data goes with it"


def test_where_nothing_is_installed_there_is_nothing_to_do(root: Path) -> None:
    for words in (("rollback",), ("uninstall", "--purge", "--yes"), ("install", "--undo")):
        assert refused(*words, "--root", root, expect=116)["code"] == "not_installed"


def test_who_is_not_root_is_told_so(root: Path, first: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert refused("install", "--root", root, "--from", first, expect=111)["code"] == "not_root"


def test_units_are_told_to_another_releases_installer(root: Path) -> None:
    units = told("units", "--root", root)["units"]
    names = ("ao.service", "ao.service.d/50-network.conf", "ao.service.d/60-secrets.conf")
    assert set(units) == {f"/etc/systemd/system/{name}" for name in names}
    assert "# /etc/systemd/system/ao.service" in ao("units", "--root", root).stdout
