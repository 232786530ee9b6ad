"""Installing a release on a host: what the plan says, step by step, and taking it back.

Promise: before the first step the release has been found whole and the host fit; each step is on record before it is
begun; a run that was cut off is gone on with by the same command, or taken back by `undo_install`, after which the host
is as it was before. Installing again what is installed changes nothing but what differs from the answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from installer import plan
from installer.answers import Answers
from installer.errors import ActUnfinished, AlreadyInstalled
from installer.ground import Ground, Teller, clear_ground, installed_version, standing_on
from installer.host import Programs, look_at_host, on_disk
from installer.layout import INSTALLER, PREFIX, RECORD, Layout
from installer.plan import Release
from installer.record import Record
from installer.steps import StartUnit
from installer.tree import Tree

INSTALL = "install"


@dataclass(frozen=True, slots=True)
class Installed:
    """`started`: the gateway runs; otherwise there is no site yet, or no systemd that runs."""

    version: str
    started: bool
    steps: tuple[str, ...]


def planned(layout: Layout, given: Answers | None, tree: Tree) -> plan.Steps:
    """What `install` would do now. Changes nothing."""
    answers = given or kept_answers(layout) or Answers()
    return plan.install(look_at_host(layout, Programs()), answers, _release(tree))


def install(layout: Layout, given: Answers | None, tree: Tree, tell: Teller) -> Installed:
    """Raises ActUnfinished, AlreadyInstalled, StepFailed."""
    with standing_on(layout, tell, make=True) as ground:
        _require_free(ground, tree.facts.version)
        answers = given or ground.answers()
        steps = plan.install(look_at_host(layout, ground.programs), answers, _release(tree))
        ground.record.begin_act(INSTALL, {"version": tree.facts.version})
        ground.performer.perform(steps)
        ground.record.finish(INSTALL, answers=answers.model_dump(mode="json"))
        started = any(isinstance(each, StartUnit) for each in steps)
        return Installed(tree.facts.version, started, tuple(str(each) for each in steps))


def undo_install(layout: Layout, tell: Teller) -> tuple[str, ...]:
    """Takes back an installation that was not finished. Raises ActUnfinished where there is none such, NotInstalled."""
    if not on_disk(layout, INSTALLER).is_dir() and on_disk(layout, PREFIX).is_dir():
        clear_ground(layout)  # a run before this one was cut off at its very end
        return ()
    with standing_on(layout, tell, make=False) as ground:
        story = ground.record.story
        if story.answers is not None or story.act not in (INSTALL, None):
            raise ActUnfinished(
                "There is no first installation that was cut off.",
                remedy="Go on with what was cut off by running it again; to remove the appliance: ao uninstall.",
            )
        traces = tuple(story.traces.values())
        ground.performer.undo(traces, purge=False)
    clear_ground(layout)
    return tuple(each.key for each in traces)


def _release(tree: Tree) -> Release:
    return Release(PurePosixPath(tree.folder), tree.facts.version)


def _require_free(ground: Ground, version: str) -> None:
    story = ground.record.story
    if story.act not in (INSTALL, None):
        raise ActUnfinished(
            f"A run of `ao {story.act}` was cut off.", remedy=f"Run it again first: ao {story.act} (it goes on)."
        )
    if story.act == INSTALL and story.act_facts["version"] != version:
        raise ActUnfinished(f"The installation of {story.act_facts['version']} was cut off.")
    installed = installed_version(ground.layout)
    if installed is not None and installed != version:
        raise AlreadyInstalled(f"Release {installed} is installed here; this is {version}.")


def kept_answers(layout: Layout) -> Answers | None:
    """Those of the last installation that was finished here."""
    if not on_disk(layout, INSTALLER).is_dir():
        return None
    kept = Record(on_disk(layout, RECORD)).story.answers
    return Answers.model_validate(kept) if kept is not None else None
