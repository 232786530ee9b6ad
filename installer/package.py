"""A release that a package manager has laid down: taken from there like any that was carried in, and given back.

dpkg and rpm own the tree below /usr/lib/ao-appliance and nothing else. The installer copies it to /opt/ao/releases, so
that the release before stays for going back to when the package manager has long taken its files away.

Promise: whatever an earlier run was cut off in, a package manager's or a person's, is brought to an end first, so that
the package manager run again always goes on. Data is never removed here; what removes it is left as a script, which
refuses where usage would be lost.
"""

from __future__ import annotations

import os
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from installer.answers import Answers
from installer.errors import AnswerRefused, PackageDiffers, StepFailed, UsageUnsaved
from installer.ground import Ground, Teller, clear_ground, installed_version, standing_on
from installer.host import Programs, on_disk
from installer.install import Installed, install, undo_install
from installer.layout import (
    CONFIG,
    DATABASE,
    INSTALLER,
    LAST_USAGE,
    RECORD,
    REMOVE_DATA,
    STATE,
    USER,
    Layout,
)
from installer.record import Record, Story, sync_folder
from installer.release_command import ReleaseCommand
from installer.successor import Offered, order, require_may_come, require_schema_forward
from installer.switch import schemas_of
from installer.tree import MANIFEST, Tree, read_release
from installer.uninstall import UNINSTALL, Farewell, is_data, stop_and_carry_out, uninstall, what_is_left_to_run
from installer.upgrade import settle


class Way(Enum):
    """From what is installed to what the package holds."""

    FIRST = auto()
    AGAIN = auto()
    UP = auto()
    DOWN = auto()


@dataclass(frozen=True, slots=True)
class Given:
    """A removal that has kept the data. `usage`: the files with what the vendor has not acknowledged; `unsaved`: why
    they could not be written, where they could not; `finish`: the script that ends the removal, None where it has."""

    was_there: bool
    usage: tuple[str, ...] = ()
    unsaved: str | None = None
    finish: Path | None = None


def require_welcome(layout: Layout, offered: Offered, tell: Teller) -> str | None:
    """Whether a release may come to where another is in force, whose version is returned. Raises UpgradeRefused."""
    there = installed_version(layout)
    if there is None or not on_disk(layout, INSTALLER).is_dir():
        return None
    with standing_on(layout, tell, make=False) as ground:
        running, of_state = schemas_of(ground, there)
        require_may_come(there, running, of_state, offered)
    return there


def settle_what_was_cut_off(layout: Layout, version: str, tell: Teller, wait: float) -> None:
    """Brings to an end what another run began, whichever it was. An installation of `version` is left to go on."""
    finish_removal(layout, tell)
    story = _story(layout)
    match story.act if story else None:
        case "install" if story and story.act_facts["version"] != version:
            _end_installation(layout, story, tell)
        case "uninstall" if story:
            farewell = Farewell(bool(story.act_facts["purge"]), None, without_usage=True)
            uninstall(layout, farewell, tell)
            finish_removal(layout, tell)
        case None | "install":
            pass
        case _:
            settle(layout, tell, wait)


def way(layout: Layout, tree: Tree) -> Way:
    """Raises PackageDiffers where the release of the package is not the one of the same version that is here."""
    there, version = installed_version(layout), tree.facts.version
    if there is None:
        return Way.FIRST
    if there == version:
        require_the_same(layout, tree)
        return Way.AGAIN
    return Way.UP if order(version) > order(there) else Way.DOWN


def require_the_same(layout: Layout, tree: Tree) -> None:
    here = on_disk(layout, layout.release(tree.facts.version)) / MANIFEST
    if here.is_file() and here.read_bytes() != (tree.folder / MANIFEST).read_bytes():
        raise PackageDiffers(
            f"A release {tree.facts.version} with other files is installed here.", where=str(here.parent)
        )


def require_state_readable(layout: Layout, tree: Tree) -> None:
    """For a state that a removal has kept. Raises UpgradeRefused where it is newer than the release."""
    if on_disk(layout, DATABASE).is_file():
        release = ReleaseCommand(tree.folder / "bin" / "ao", on_disk(layout, STATE), None, dict(os.environ))
        of_state = release.ask("state", "schema").data["of_state"]
        require_schema_forward(of_state, tree.facts.version, tree.facts.schemas.state)


def take(layout: Layout, answers: Answers | None, tree: Tree, tell: Teller) -> Installed:
    """The first installation, or the same again; without answers, with those of before or their defaults."""
    done = install(layout, answers, tree, tell)
    on_disk(layout, REMOVE_DATA).unlink(missing_ok=True)
    return done


def accepted(text: str, *, where: str) -> tuple[str, ...]:
    """Checks of the host that the operator has accepted beforehand: `[preflight] accept` of the answers."""
    try:
        found: Mapping[str, object] = tomllib.loads(text).get("preflight", {})
        names = found.get("accept", [])
    except (tomllib.TOMLDecodeError, AttributeError) as exc:
        raise AnswerRefused("[preflight] cannot be read.", where=where) from exc
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise AnswerRefused("[preflight] accept is not a list of checks.", where=where)
    return tuple(names)


def give_back(layout: Layout, tell: Teller) -> Given:
    """Removes all but the data, which `remove-data` then takes away where somebody asks for that. Raises StepFailed."""
    if not on_disk(layout, INSTALLER).is_dir():
        clear_ground(layout)
        return Given(was_there=False)
    with standing_on(layout, tell, make=False) as ground:
        begun = ground.record.story.act == UNINSTALL and ground.on_disk(REMOVE_DATA).is_file()
        unsaved = None if begun else _prepare(ground)
    done = uninstall(layout, Farewell(False, None, without_usage=True), tell)
    folder = on_disk(layout, LAST_USAGE)
    usage = tuple(sorted(str(each) for each in folder.iterdir())) if folder.is_dir() else ()
    return Given(True, usage, unsaved, done.finish)


def _prepare(ground: Ground) -> str | None:
    """Before anything is taken away: the last usage files, and what removes the data. Returns why there are none."""
    unsaved = None
    has_state = ground.on_disk(DATABASE).is_file()
    try:
        stop_and_carry_out(ground, _usage_folder(ground) if has_state else None)
    except UsageUnsaved as refusal:
        unsaved = str(refusal)
        ground.tell(f"{unsaved} The state is kept, and with it the usage.")
    with suppress(OSError):  # there are files in it, or it is not there
        ground.on_disk(LAST_USAGE).rmdir()
    _leave_remove_data(ground, unsaved)
    return unsaved


def finish_removal(layout: Layout, tell: Teller) -> bool:
    """Whether there was one to finish."""
    script = what_is_left_to_run(layout)
    if script is not None:
        tell("remove what is left of the release")
        Programs().run("/bin/sh", str(script), seconds=300)
    return script is not None


def _story(layout: Layout) -> Story | None:
    return Record(on_disk(layout, RECORD)).story if on_disk(layout, INSTALLER).is_dir() else None


def _end_installation(layout: Layout, story: Story, tell: Teller) -> None:
    """One of another version: taken back where it had not come to its release, else gone on with from there."""
    version = str(story.act_facts["version"])
    tell(f"an installation of {version} was cut off: it comes first")
    if installed_version(layout) == version:
        install(layout, None, read_release(on_disk(layout, layout.release(version)), arch=os.uname().machine), tell)
    else:
        undo_install(layout, tell)


def _usage_folder(ground: Ground) -> Path:
    folder = ground.on_disk(LAST_USAGE)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise StepFailed(f"The folder cannot be made: {exc.strerror}.", where=str(folder)) from exc
    return folder


def _leave_remove_data(ground: Ground, unsaved: str | None) -> None:
    """Whole under its name, root's alone: it is run as root, where the state's owner cannot write."""
    file = ground.on_disk(REMOVE_DATA)
    if not file.parent.is_dir():
        return
    fresh = file.with_name(f".{file.name}.installing")
    try:
        fresh.write_text("\n".join(_remove_data(ground, unsaved)), "utf-8")
        fresh.chmod(0o600)
        fresh.rename(file)
        sync_folder(file.parent)
    except OSError as exc:
        raise StepFailed(f"It cannot be written: {exc.strerror}.", where=str(file)) from exc


def _remove_data(ground: Ground, unsaved: str | None) -> Iterator[str]:
    """What a purge by the installer would do, in the words of a shell: by then the installer itself is gone."""
    traces = [each for each in ground.record.story.traces.values() if is_data(each)]
    folders = [str(each.facts["path"]) for each in traces if each.kind == "MakeFolder"]
    others = [each for each in folders if not each.startswith(f"{CONFIG}/") and each != str(CONFIG)]
    ours = any(
        each.kind == "MakeUser" and (not each.before["existed"] or ground.performer.accounts.home(USER) == str(STATE))
        for each in traces
    )
    lost = f"its last usage files could not be written: {unsaved}" if unsaved else "it has changed since its removal"
    doubt = "true" if unsaved else f'[ -n "$(find {STATE} -type f -newer "$0" | head -n 1)" ]'
    yield from (
        "#!/bin/sh",
        "# AO Appliance was removed from this host and its data was kept. This takes the data away as well, which",
        f"# cannot be taken back: sh {REMOVE_DATA}   (dpkg --purge runs it). Usage that the vendor has not",
        f"# acknowledged lies in {LAST_USAGE}, and stays there.",
        "set -eu",
        f'if [ "${{1-}}" != --without-usage ] && [ -e {DATABASE} ] && {doubt}; then',
        f"  printf '%s\\n' {shlex.quote(f'The state in {STATE} holds usage that nobody has carried out: {lost}')} \\",
        f"    {shlex.quote(f'Bring {STATE} to the vendor, or give it up: sh {REMOVE_DATA} --without-usage')} >&2",
        f"  exit {UsageUnsaved.exit_code}",
        "fi",
    )
    yield from (f"rm -rf -- {shlex.quote(each)}" for each in others)
    if ours:
        yield f"if grep -q '^{USER}:' /etc/passwd; then userdel {USER}; fi"
        yield f"if grep -q '^{USER}:' /etc/group; then groupdel {USER}; fi"
    # This file last, so that a run that was cut off can be run again.
    yield f'find {CONFIG} -mindepth 1 ! -path "$0" -delete'
    yield f"rm -rf -- {CONFIG}"
    yield ""
