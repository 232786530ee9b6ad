"""Killed before any one change to the disk, and run again: it is done. Or taken back: the host is as it was before."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pytest

from installer.errors import ActUnfinished, NotInstalled, UpgradeRefused, UpgradeReturned
from installer.ground import installed_version
from installer.install import install, planned, undo_install
from installer.layout import COMMAND, PREFIX, UNIT, Layout
from installer.tree import read_release
from installer.uninstall import Farewell, steps_of, uninstall
from installer.upgrade import planned_switch, planned_upgrade, rollback, upgrade
from tests.installer import made_up
from tests.installer.dying import die_at_telling, die_before
from tests.real.hosts.booted_host import tree_of

pytestmark = pytest.mark.timeout(300)

NOW = datetime(2027, 1, 1, tzinfo=UTC)
BACKUPS = ("etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-", "etc/.pwd.lock", "etc/subuid-", "etc/subgid-")
State = dict[str, tuple[object, ...]]


class Place:
    """A root that is put back as it was before each try."""

    def __init__(self, folder: Path) -> None:
        self.releases = {
            name: made_up.release(folder / "media" / name, name, schema=schema, fails=fails)
            for name, schema, fails in (("0.1.0", 1, False), ("0.2.0", 2, False), ("0.3.0", 2, True))
        }
        self._kept = made_up.root(folder / "kept")
        self.root = folder / "root"

    @property
    def layout(self) -> Layout:
        return Layout(PurePosixPath(self.root))

    def fresh(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        subprocess.run(["cp", "-a", str(self._kept), str(self.root)], check=True)

    def keep(self) -> None:
        """The root as it is now is what it is put back to from here on."""
        shutil.rmtree(self._kept)
        self.root.rename(self._kept)
        self.fresh()

    def look(self) -> State:
        return tree_of(self.root, without=BACKUPS)

    def install(self, version: str = "0.1.0") -> None:
        tree = read_release(self.releases[version], arch=os.uname().machine)
        install(self.layout, None, tree, lambda _line: None)

    def undo(self) -> None:
        undo_install(self.layout, lambda _line: None)

    def upgrade(self, version: str) -> None:
        tree = read_release(self.releases[version], arch=os.uname().machine)
        upgrade(self.layout, tree, lambda _line: None, now=NOW, wait=1)

    def rollback(self) -> None:
        rollback(self.layout, lambda _line: None, now=NOW, wait=1)

    def uninstall(self, *, purge: bool) -> None:
        done = uninstall(self.layout, Farewell(purge, None, purge), lambda _line: None)
        subprocess.run(["/bin/sh", str(done.finish)], check=True)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """In memory where that can be: a thousand flushes to a disk are of no use to these tests."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as folder:
        Path(folder).chmod(0o755)  # the user `ao` is asked within
        found = Place(Path(folder))
        found.fresh()
        yield found


def deaths(place: Place, act: Callable[[], None]) -> int:
    """How many changes the act makes: so many ways there are to be cut off."""
    for number in itertools.count(1):
        place.fresh()
        if not die_before(number, act):
            return number - 1
    raise AssertionError


def test_an_installation_killed_anywhere_goes_on_when_it_is_run_again(place: Place) -> None:
    untouched = place.look()
    place.install()
    done = without_record(place.look())
    for number in itertools.count(1):
        place.fresh()
        if not die_before(number, place.install):
            break
        place.install()
        assert without_record(place.look()) == done, number
        place.uninstall(purge=True)
        assert place.look() == untouched, number
    assert number > 50


def test_an_installation_killed_anywhere_can_be_taken_back(place: Place) -> None:
    untouched = place.look()
    for number in itertools.count(1):
        place.fresh()
        if not die_before(number, place.install):
            break
        try:
            place.undo()
        except (NotInstalled, ActUnfinished):
            place.install()  # nothing was begun, or everything was done: then it is whole
            assert installed_version(place.layout) == "0.1.0"
            place.uninstall(purge=True)
        assert place.look() == untouched, number
    assert number > 50


def test_taking_back_killed_anywhere_goes_on_when_it_is_run_again(place: Place) -> None:
    untouched = place.look()
    last = deaths(place, place.install)
    place.fresh()
    assert die_before(last - 2, place.install)
    place.keep()
    for number in itertools.count(1, 3):
        place.fresh()
        if not die_before(number, place.undo):
            break
        with suppress(NotInstalled):  # all but an empty folder was gone
            place.undo()
        assert place.look() == untouched, number
    assert number > 20


@pytest.mark.parametrize("purge", [True, False])
def test_a_removal_killed_anywhere_goes_on_when_it_is_run_again(place: Place, purge: bool) -> None:
    untouched = place.look()
    place.install()
    (place.root / "var/lib/ao/ao.db").write_text("1 a b")
    place.keep()
    place.uninstall(purge=purge)
    done = place.look()
    assert (done == untouched) is purge
    assert ("var/lib/ao/ao.db" in done) is not purge
    for number in itertools.count(1, 3):
        place.fresh()
        if not die_before(number, lambda: place.uninstall(purge=purge)):
            break
        command = place.root / "usr/local/bin/ao"
        if command.is_file() and not command.is_symlink():
            subprocess.run(["/bin/sh", str(command)], check=True)  # what whoever types `ao uninstall` again runs
        else:
            place.uninstall(purge=purge)
        assert place.look() == done, number
    assert number > 20


def test_an_upgrade_killed_anywhere_is_gone_back_from_and_done_again(place: Place) -> None:
    place.install()
    (place.root / "var/lib/ao/ao.db").write_text("1 a b")
    place.keep()
    place.upgrade("0.2.0")
    done = stable(place.look())
    for number in itertools.count(1, 3):
        place.fresh()
        if not die_before(number, lambda: place.upgrade("0.2.0")):
            break
        serves = installed_version(place.layout)
        assert serves in ("0.1.0", "0.2.0"), "whatever is in the way of a start, it is no half release"
        with (place.root / "var/lib/ao/ao.db").open("a") as state:
            state.write(" c")  # a call that is answered in between, by whichever runs
        try:
            place.upgrade("0.2.0")
        except UpgradeRefused:
            assert serves == "0.2.0"  # it was done but for the last words
        assert stable(place.look()).keys() == done.keys(), number
        assert installed_version(place.layout) == "0.2.0"
        assert (place.root / "var/lib/ao/ao.db").read_text().split() == ["2", "a", "b", "c"], number
    assert number > 20


def test_going_back_killed_anywhere_is_undone_and_done_again(place: Place) -> None:
    place.install()
    (place.root / "var/lib/ao/ao.db").write_text("1 a b")
    place.upgrade("0.2.0")
    place.keep()
    place.rollback()
    done = stable(place.look())
    for number in itertools.count(1, 3):
        place.fresh()
        if not die_before(number, place.rollback):
            break
        serves = installed_version(place.layout)
        assert serves in ("0.1.0", "0.2.0")
        with (place.root / "var/lib/ao/ao.db").open("a") as state:
            state.write(" c")
        with suppress(NotInstalled):  # it was done but for the last words: there is no release before this one
            place.rollback()
        assert stable(place.look()).keys() == done.keys(), number
        assert installed_version(place.layout) == "0.1.0"
        assert (place.root / "var/lib/ao/ao.db").read_text().split() == ["1", "a", "b", "c"], number
    assert number > 20


def test_an_installation_tells_the_steps_of_its_dry_run_and_bears_death_at_each(place: Place) -> None:
    tree = read_release(place.releases["0.1.0"], arch=os.uname().machine)
    untouched, steps, told = place.look(), [str(each) for each in planned(place.layout, None, tree)], list[str]()
    install(place.layout, None, tree, told.append)
    assert [re.sub(r"^\[\d+/\d+\] |: is so already$", "", line) for line in told] == steps
    done = without_record(place.look())
    for number in range(1, len(told) + 1):
        place.fresh()
        assert die_at_telling(number, lambda tell: install(place.layout, None, tree, tell)), told[number - 1]
        place.install()
        assert without_record(place.look()) == done, told[number - 1]
        place.uninstall(purge=True)
        assert place.look() == untouched, told[number - 1]


def test_a_removal_tells_the_steps_of_its_dry_run_and_bears_death_at_each(place: Place) -> None:
    untouched, farewell = place.look(), Farewell(True, None, True)
    place.install()
    place.keep()
    steps, told = steps_of(place.layout, farewell), list[str]()
    uninstall(place.layout, farewell, told.append)
    assert [f"stop {UNIT}", *told, f"remove {PREFIX} and {COMMAND}"] == list(steps), "no systemd runs here"
    for number in range(1, len(told) + 1):
        place.fresh()
        assert die_at_telling(number, lambda tell: uninstall(place.layout, farewell, tell)), told[number - 1]
        place.uninstall(purge=True)
        assert place.look() == untouched, told[number - 1]


def test_a_switch_tells_the_steps_of_its_dry_run_and_bears_death_at_each(place: Place) -> None:
    """Up and down. Stopping, starting, and having systemd read the units want a host that runs: tests/real/hosts."""
    place.install()
    (place.root / "var/lib/ao/ao.db").write_text("1 a b")
    tree, told = read_release(place.releases["0.2.0"], arch=os.uname().machine), list[str]()
    dry = planned_upgrade(place.layout, tree, "0.1.0")
    place.keep()
    upgrade(place.layout, tree, told.append, now=NOW, wait=1)
    _in_order(told, [dry[0], *(each for each in dry if each.startswith(("copy the", "point", "compare")))])
    for number in range(1, len(told) + 1):
        place.fresh()
        assert die_at_telling(number, lambda tell: upgrade(place.layout, tree, tell, now=NOW, wait=1))
        place.upgrade("0.2.0")
        assert installed_version(place.layout) == "0.2.0", told[number - 1]
        assert (place.root / "var/lib/ao/ao.db").read_text().split() == ["2", "a", "b"], told[number - 1]
    place.keep()
    dry, told = planned_switch("0.2.0", "0.1.0"), []
    rollback(place.layout, told.append, now=NOW, wait=1)
    _in_order(told, [each for each in dry if each.startswith(("copy the", "point", "make the", "compare"))])
    for number in range(1, len(told) + 1):
        place.fresh()
        assert die_at_telling(number, lambda tell: rollback(place.layout, tell, now=NOW, wait=1))
        place.rollback()
        assert installed_version(place.layout) == "0.1.0", told[number - 1]
        assert (place.root / "var/lib/ao/ao.db").read_text().split() == ["1", "a", "b"], told[number - 1]


def _in_order(told: list[str], steps: Sequence[str]) -> None:
    at = [next(n for n, line in enumerate(told) if step in line) for step in steps]
    assert at == sorted(at)


def test_an_upgrade_that_fails_leaves_the_old_release_with_all_that_was_recorded(place: Place) -> None:
    place.install()
    (place.root / "var/lib/ao/ao.db").write_text("1 a b")
    with pytest.raises(UpgradeReturned, match="made to"):
        place.upgrade("0.3.0")
    assert installed_version(place.layout) == "0.1.0"
    assert (place.root / "var/lib/ao/ao.db").read_text().split() == ["1", "a", "b"]
    place.upgrade("0.2.0")
    place.rollback()
    assert installed_version(place.layout) == "0.1.0"
    assert (place.root / "var/lib/ao/ao.db").read_text().split() == ["1", "a", "b"]


def without_record(state: State) -> State:
    """The record tells what happened on the way; all else must be as if nothing had."""
    return {name: facts for name, facts in state.items() if not name.startswith("opt/ao/installer")}


def stable(state: State) -> State:
    return {name: facts for name, facts in without_record(state).items() if "snapshots/" not in name}
