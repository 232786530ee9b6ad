"""`ao package …`, which the scripts of a deb or rpm call: killed anywhere and called again, everything ends well."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import click
import pytest
from click.testing import CliRunner

from installer.errors import AnswerRefused, PackageDiffers, UpgradeRefused
from installer.ground import installed_version
from installer.layout import Layout
from installer.package import accepted, require_the_same
from installer.successor import Offered, Schemas, require_may_come
from installer.tree import read_release
from tests.installer import made_up
from tests.installer.commands import main
from tests.installer.dying import die_before
from tests.real.hosts.booted_host import tree_of

pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="users are made"), pytest.mark.timeout(300)]
BACKUPS = ("etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-", "etc/.pwd.lock", "etc/subuid-", "etc/subgid-")


class Place:
    """A root, and the trees that packages lay down: 0.3.0 has a state that no older release can read."""

    def __init__(self, folder: Path) -> None:
        how = {"0.1.0": (1, 1), "0.2.0": (2, 1), "0.3.0": (3, 3)}
        self.trees = {
            name: made_up.release(folder / name, name, schema=schema, returns_to=back)
            for name, (schema, back) in how.items()
        }
        self._kept = made_up.root(folder / "kept")
        self.root = folder / "root"
        self.fresh()

    @property
    def layout(self) -> Layout:
        return Layout(PurePosixPath(self.root))

    @property
    def version(self) -> str | None:
        return installed_version(self.layout)

    @property
    def state(self) -> Path:
        return self.root / "var/lib/ao/ao.db"

    def fresh(self) -> None:
        subprocess.run(["rm", "-rf", str(self.root)], check=True)
        subprocess.run(["cp", "-a", str(self._kept), str(self.root)], check=True)

    def keep(self) -> None:
        subprocess.run(["rm", "-rf", str(self._kept)], check=True)
        self.root.rename(self._kept)
        self.fresh()

    def package(self, *words: str, expect: int = 0) -> dict[str, Any]:
        done = CliRunner().invoke(main, ["package", *words, "--root", str(self.root), "--json"])
        assert done.exit_code == expect, (words, done.output, done.exception)
        found = json.loads(done.stdout)
        assert isinstance(found, dict)
        return found

    def install(self, version: str, expect: int = 0) -> dict[str, Any]:
        return self.package("install", str(self.trees[version]), expect=expect)

    def check(self, version: str, expect: int = 0) -> dict[str, Any]:
        facts = json.loads((self.trees[version] / "facts.json").read_text())
        words = ("--upgrades-from", facts["upgrades_from"], "--state-schema", str(facts["schemas"]["state"]))
        return self.package("check", "--release", version, *words, expect=expect)

    def look(self) -> dict[str, tuple[object, ...]]:
        return tree_of(self.root, without=(*BACKUPS, "opt/ao/installer"))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as folder:
        Path(folder).chmod(0o755)  # the user `ao` is asked within
        yield Place(Path(folder))


def deaths(place: Place, act: Callable[[], object], every: int) -> Iterator[int]:
    """Each time the act has died on a fresh root, a little later than before; until it lives."""
    for number in itertools.count(1, every):
        place.fresh()
        if not die_before(number, act):
            assert number > 15
            return
        yield number


def test_a_first_installation_killed_anywhere_gives_way_to_a_newer_package(place: Place) -> None:
    place.install("0.2.0")
    done = place.look()
    for number in deaths(place, lambda: place.install("0.1.0"), 5):
        place.install("0.2.0")
        seen = {name: each for name, each in place.look().items() if not name.startswith("opt/ao/releases/0.1.0")}
        assert place.version == "0.2.0", number
        assert seen.keys() == done.keys(), number


def test_an_upgrade_killed_anywhere_is_done_by_the_package_run_again_with_all_that_was_recorded(place: Place) -> None:
    place.install("0.1.0")
    place.state.write_text("1 a b")
    place.keep()
    for number in deaths(place, lambda: place.install("0.2.0"), 7):
        with place.state.open("a") as state:
            state.write(" c")
        place.install("0.2.0")
        assert place.version == "0.2.0", number
        assert place.state.read_text().split() == ["2", "a", "b", "c"], number


def test_going_down_killed_anywhere_ends_where_it_was_to_go(place: Place) -> None:
    place.install("0.2.0")
    place.state.write_text("2 a b")
    place.keep()

    def go() -> None:
        place.package("return", str(place.trees["0.1.0"]))

    for number in deaths(place, go, 7):
        place.package("install", str(place.trees["0.2.0"]))
        assert (place.version, place.state.read_text().split()) == ("0.2.0", ["2", "a", "b"]), number
        go()
        assert (place.version, place.state.read_text().split()) == ("0.1.0", ["1", "a", "b"]), number


def test_a_removal_killed_anywhere_is_ended_by_a_second_one_or_by_an_installation(place: Place) -> None:
    place.install("0.1.0")
    place.state.write_text("1 a b")
    place.keep()
    place.package("remove")
    done = place.look()
    assert not (place.root / "opt/ao").exists()
    assert {"var/lib/ao/ao.db", "etc/ao/settings.toml"} <= done.keys()
    for number in deaths(place, lambda: place.package("remove"), 5):
        if number % 2:
            place.package("remove")
            assert place.look() == done, number
        place.install("0.1.0")
        assert (place.version, place.state.read_text()) == ("0.1.0", "1 a b"), number


def test_what_may_not_come_is_refused_before_and_what_is_not_there_is_no_hindrance(place: Place) -> None:
    assert place.check("0.1.0") == {"release": "0.1.0", "installed": None, "may_come": True}
    place.install("0.3.0")
    place.state.write_text("3 a")
    before = place.look()
    assert place.check("0.3.0")["may_come"]
    error = place.check("0.2.0", expect=117)["error"]
    assert "cannot be told to release 0.2.0" in error["message"]
    assert place.package("return", str(place.trees["0.2.0"]), expect=117)["error"]["code"] == "upgrade_refused"
    assert place.look() == before
    place.package("remove")
    assert "knows no more than 1" in place.install("0.1.0", expect=117)["error"]["message"]
    assert (place.version, place.state.read_text()) == (None, "3 a")


def test_another_release_of_the_same_version_is_not_taken_for_it(place: Place) -> None:
    place.install("0.1.0")
    place.install("0.1.0")
    (place.trees["0.1.0"] / "MANIFEST").write_text("")
    tree = read_release(place.root / "opt/ao/releases/0.1.0", arch=os.uname().machine)
    require_the_same(place.layout, tree)
    other = made_up.release(place.root.parent / "other", "0.1.0", schema=2)
    error = place.package("install", str(other), expect=PackageDiffers.exit_code)["error"]
    assert error["code"] == "package_differs"


def test_where_nothing_is_installed_a_removal_has_nothing_to_do(place: Place) -> None:
    assert place.package("remove") == {"removed": False}
    before = place.look()
    place.install("0.1.0")
    assert place.package("remove")["removed"]
    assert before.keys() - place.look().keys() == set()


@pytest.mark.parametrize(
    ("installed", "of_state", "offered", "refused"),
    [
        ("1.0.0", 4, Offered("1.0.0", "0.9.0", 4), None),
        ("1.0.0", 4, Offered("1.1.0", "1.0.0", 5), None),
        ("1.0.0", None, Offered("0.1.0", "0.1.0", 1), None),
        ("1.0.0", 4, Offered("0.9.0", "0.8.0", 3), None),
        ("1.0.0", 4, Offered("0.8.0", "0.8.0", 2), "cannot be told to release 0.8.0"),
        ("1.0.0", 4, Offered("2.0.0", "1.5.0", 9), "can follow 1.5.0 or newer"),
        ("1.0.0", 4, Offered("1.1.0", "1.0.0", 3), "could not read it"),
        ("1.0.0rc9", 4, Offered("1.0.0rc10", "1.0.0rc1", 4), None),
    ],
)
def test_a_package_may_come_from_either_side(
    installed: str, of_state: int | None, offered: Offered, refused: str | None
) -> None:
    running = Schemas(newest=4, returns_to=3)
    with suppress(UpgradeRefused) if refused is None else pytest.raises(UpgradeRefused, match=refused):
        require_may_come(installed, running, of_state, offered)
        return
    assert refused is not None


def test_checks_are_accepted_by_name_and_nothing_else_is() -> None:
    assert accepted('[preflight]\naccept = ["memory", "fips"]\n', where="x") == ("memory", "fips")
    assert accepted("[install]\nport = 1\n", where="x") == ()
    for text in ("[preflight]\naccept = 1\n", "[preflight]\naccept = [1]\n", "preflight = 3\n", "[preflight\n"):
        with pytest.raises(AnswerRefused):
            accepted(text, where="x")


@pytest.mark.parametrize("name", ["check", "install", "return", "remove"])
def test_each_word_to_the_installer_has_help_with_an_example_that_parses(name: str) -> None:
    said = CliRunner().invoke(main, ["package", name, "--help"])
    example = re.search(r"Example:\n +ao package (\S+)(.*)", said.stdout)
    assert said.exit_code == 0
    assert example is not None
    assert example[1] == name
    group = main.commands["package"]
    assert isinstance(group, click.Group)
    group.commands[name].make_context(name, shlex.split(example[2]))
