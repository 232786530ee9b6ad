"""`ao package …`: what the scripts of a deb or rpm ask. Everything else about them is the package manager's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

from installer.answers import Answers
from installer.face import Face, Result, command
from installer.fit import answers_in, require_fit
from installer.host import Programs, look_at_host, on_disk, require_root
from installer.host_commands import WAIT_SECONDS, Told, layout_of, switched
from installer.layout import CURRENT, DATABASE, LAST_USAGE, PACKAGE_ANSWERS, REMOVE_DATA, STATE, Layout
from installer.package import (
    Way,
    accepted,
    finish_removal,
    give_back,
    require_state_readable,
    require_welcome,
    settle_what_was_cut_off,
    take,
    way,
)
from installer.successor import Offered
from installer.tree import Tree, read_release
from installer.upgrade import return_to, upgrade

_root = click.option(
    "--root", type=click.Path(path_type=Path, exists=True, file_okay=False), default=Path("/"), hidden=True
)
_wait = click.option(
    "--wait", type=click.IntRange(1, 3600), default=WAIT_SECONDS, show_default=True, help="Seconds to answer within."
)
_tree = click.argument("tree", type=click.Path(path_type=Path))
NOT_RUNNING = (
    "systemd does not run here: nothing was started, and this host was not looked at.",
    "Left to do when it has booted: ao preflight; and ao setup, where there is no site yet.",
)


def add_to(main: click.Group) -> None:
    @main.group("package")
    def package() -> None:
        """What the scripts of a package (deb, rpm) ask of the installer."""

    _add_check(package)
    _add_install(package)
    _add_return(package)
    _add_remove(package)


def _add_check(package: click.Group) -> None:
    @command(
        package, "check", example="ao package check --release 1.1.0 --upgrades-from 1.0.0 --state-schema 31 --json"
    )
    @click.option("--release", "version", required=True, help="The version that the package holds.")
    @click.option("--upgrades-from", required=True, help="The oldest version that it can follow.")
    @click.option("--state-schema", type=click.IntRange(1, 9999), required=True, help="The state's schema under it.")
    @_root
    def check(face: Face, *, version: str, upgrades_from: str, state_schema: int, root: Path) -> Result:
        """Say whether a package's release may come to where this one is in force: before anything is unpacked.

        Exit code 117 with the reason where it may not. Nothing is changed.
        """
        layout = layout_of(root)
        there = require_welcome(layout, Offered(version, upgrades_from, state_schema), Told(face).tell)
        told = f"Release {version} may come" + (f" after {there}." if there else ": none is installed.")
        return Result({"release": version, "installed": there, "may_come": True}, [told])


def _add_install(package: click.Group) -> None:
    @command(package, "install", example="ao package install /usr/lib/ao-appliance/1.1.0")
    @_tree
    @_wait
    @_root
    def install_(face: Face, *, tree: Path, wait: int, root: Path) -> Result:
        """Put the release in force that a package has laid into TREE: as the first, the next, or an older one.

        The steps, the health check and the way back are those of `ao install` and `ao upgrade`. What another run was
        cut off in is brought to an end first. The first installation takes the answers in /etc/ao/install.toml, where
        they lie ready; its table [preflight] may accept checks of the host by name: accept = ["memory"].
        """
        layout, told = layout_of(root), Told(face)
        require_root()
        release = read_release(tree.absolute(), arch=os.uname().machine)
        version = release.facts.version
        settle_what_was_cut_off(layout, version, told.tell, wait)
        match way(layout, release):
            case Way.FIRST | Way.AGAIN as found:
                return _installed(face, layout, release, told, first=found is Way.FIRST)
            case Way.UP:
                return switched(upgrade(layout, release, told.tell, now=face.now, wait=wait))
            case Way.DOWN:
                # The newer of two releases knows them both: it is asked to go.
                program = str(on_disk(layout, CURRENT) / "bin" / "ao")
                told.tell(f"hand over to the release that is in force: it goes back to {version}")
                words = ["package", "return", str(release.folder), "--wait", str(wait), "--root", str(root)]
                sys.exit(
                    subprocess.run([program, *words, *(["--json"] if face.as_json else [])], check=False).returncode
                )


def _add_return(package: click.Group) -> None:
    @command(package, "return", example="ao package return /usr/lib/ao-appliance/1.0.0")
    @_tree
    @_wait
    @_root
    def return_(face: Face, *, tree: Path, wait: int, root: Path) -> Result:
        """Go back to the older release in TREE, with everything recorded since. The release in force is asked this.

        Exit code 117 with the reason where what has changed in the state since cannot be told to that release.
        """
        layout, told = layout_of(root), Told(face)
        release = read_release(tree.absolute(), arch=os.uname().machine)
        return switched(return_to(layout, release, told.tell, now=face.now, wait=wait))


def _add_remove(package: click.Group) -> None:
    @command(package, "remove", example="ao package remove")
    @_root
    def remove(face: Face, *, root: Path) -> Result:
        """Take the appliance off this host, and keep its data. Usage not yet acknowledged is written out first."""
        layout, told = layout_of(root), Told(face)
        require_root()
        if finish_removal(layout, told.tell):
            return Result({"removed": True}, [f"AO Appliance is removed from this host. Its data is kept in {STATE}."])
        given = give_back(layout, told.tell)
        if not given.was_there:
            return Result({"removed": False}, ["AO Appliance was not installed here any more."])
        finish_removal(layout, told.tell)
        usage = [f"Carry to the vendor, from {LAST_USAGE}: {Path(each).name}" for each in given.usage]
        unsaved = [f"The last usage files could not be written: {given.unsaved}"] if given.unsaved else []
        data = {"removed": True, "usage": list(given.usage), "unsaved": given.unsaved}
        kept = f"Its data is kept in {STATE} and {REMOVE_DATA.parent}. To remove that as well: sh {REMOVE_DATA}"
        return Result(data, ["AO Appliance is removed from this host.", kept, *usage, *unsaved])


def _installed(face: Face, layout: Layout, release: Tree, told: Told, *, first: bool) -> Result:
    running = look_at_host(layout, Programs()).running
    prepared = on_disk(layout, PACKAGE_ANSWERS)
    ready = prepared if first and prepared.is_file() else None
    answers = answers_in(ready)
    if first:
        require_state_readable(layout, release)
    if first and running:
        names = accepted(ready.read_text("utf-8"), where=str(ready)) if ready else ()
        require_fit(answers or Answers(), names, now=face.now, environment=face.environment)
    done = take(layout, answers, release, told.tell)
    if done.started:
        after: tuple[str, ...] = ("The gateway runs.",)
    elif not running:
        after = NOT_RUNNING
    else:
        after = ("Next: systemctl start ao" if on_disk(layout, DATABASE).is_file() else "Next: ao setup",)
    return Result(
        {"version": done.version, "started": done.started, "running": running, "steps": list(done.steps)},
        [f"Release {done.version} is installed.", *after],
    )
