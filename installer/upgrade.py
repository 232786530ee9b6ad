"""`ao upgrade` and `ao rollback`: which release follows which, and that both are there; `switch.py` does the rest."""

from __future__ import annotations

from datetime import datetime
from pathlib import PurePosixPath

from installer.errors import ActUnfinished, NotInstalled
from installer.ground import Ground, Teller, releases_there, standing_on
from installer.layout import Layout
from installer.steps import CopyRelease
from installer.successor import require_older, require_schema_forward, require_upgrade, require_way_back
from installer.switch import Switched, finish_what_was_cut_off, schemas_of, switch
from installer.tree import Tree, read_release, remove_tree

UPGRADE, ROLLBACK = "upgrade", "rollback"


def upgrade(layout: Layout, tree: Tree, tell: Teller, *, now: datetime, wait: float) -> Switched:
    """From the installed release to the one in `tree`, which has been found whole and believed.

    Raises UpgradeRefused (nothing has changed), UpgradeReturned (the release before serves again), ReturnFailed.
    """
    with standing_on(layout, tell, make=False) as ground:
        _settle(ground, wait)
        old, new = ground.installed(), tree.facts.version
        require_upgrade(old, new, tree.facts.upgrades_from)
        _, of_state = schemas_of(ground, old)
        require_schema_forward(of_state, new, tree.facts.schemas.state)
        ground.performer.perform((CopyRelease(PurePosixPath(tree.folder), new, layout.release(new)),))
        newest, _ = schemas_of(ground, new)
        require_schema_forward(of_state, new, newest.newest)
        done = switch(ground, UPGRADE, old, new, now=now, wait=wait)
        _drop_old_releases(ground, keep=(old, new))
        return done


def rollback(layout: Layout, tell: Teller, *, now: datetime, wait: float) -> Switched:
    """To the release before the last upgrade. Raises UpgradeRefused, NotInstalled, UpgradeReturned, ReturnFailed."""
    with standing_on(layout, tell, make=False) as ground:
        _settle(ground, wait)
        old, new = ground.installed(), previous(ground)
        read_release(ground.on_disk(layout.release(new)), arch=ground.arch)
        running, of_state = schemas_of(ground, old)
        older, _ = schemas_of(ground, new)
        require_way_back(of_state, running, new, older.newest)
        return switch(ground, ROLLBACK, old, new, now=now, wait=wait)


def return_to(layout: Layout, tree: Tree, tell: Teller, *, now: datetime, wait: float) -> Switched:
    """To an older release that has been carried in once more, whichever ran before.

    Raises UpgradeRefused (nothing has changed), UpgradeReturned (the newer release serves again), ReturnFailed.
    """
    with standing_on(layout, tell, make=False) as ground:
        _settle(ground, wait)
        old, new = ground.installed(), tree.facts.version
        require_older(old, new)
        running, of_state = schemas_of(ground, old)
        require_way_back(of_state, running, new, tree.facts.schemas.state)
        ground.performer.perform((CopyRelease(PurePosixPath(tree.folder), new, layout.release(new)),))
        older, _ = schemas_of(ground, new)
        require_way_back(of_state, running, new, older.newest)
        done = switch(ground, ROLLBACK, old, new, now=now, wait=wait)
        _drop_old_releases(ground, keep=(old, new))
        return done


def settle(layout: Layout, tell: Teller, wait: float) -> None:
    """Goes back to the release that a switch which was cut off came from; does nothing where there was none."""
    with standing_on(layout, tell, make=False) as ground:
        _settle(ground, wait)


def previous(ground: Ground) -> str:
    """The release that ran before the one that runs. Raises NotInstalled."""
    found = ground.record.story.previous
    if found is None or found not in releases_there(ground.layout) or found == ground.installed():
        raise NotInstalled("There is no release before this one here.", remedy="Nothing was changed.")
    return found


def planned_upgrade(layout: Layout, tree: Tree, old: str) -> tuple[str, ...]:
    """The lines that `upgrade` would print, in order."""
    new = tree.facts.version
    return (
        str(CopyRelease(PurePosixPath(tree.folder), new, layout.release(new))),
        *planned_switch(old, new),
        f"keep {old} for going back; remove older ones",
    )


def planned_switch(old: str, new: str) -> tuple[str, ...]:
    return (
        "stop ao.service: exchanges in flight finish",
        "copy the state to /var/lib/ao/snapshots",
        f"point /opt/ao/current to /opt/ao/releases/{new}",
        f"write the units as {new} has them, and have systemd read them",
        f"make the state one of {new}",
        "start ao.service, and wait until it answers",
        "compare the books, and judge the licence",
        f"where any of that fails: go back to {old} with all that was recorded meanwhile",
    )


def _settle(ground: Ground, wait: float) -> None:
    act = ground.record.story.act
    if act not in (UPGRADE, ROLLBACK, None):
        raise ActUnfinished(f"A run of `ao {act}` was cut off.", remedy=f"Run it again first: ao {act}")
    finish_what_was_cut_off(ground, wait)


def _drop_old_releases(ground: Ground, keep: tuple[str, ...]) -> None:
    for version in releases_there(ground.layout):
        if version not in keep:
            remove_tree(ground.on_disk(ground.layout.release(version)))
