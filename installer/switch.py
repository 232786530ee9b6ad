"""From one release to another on a host where one runs: up, back, and back again where it goes wrong.

The way is always the same: the gateway is stopped (exchanges in flight finish), the state is copied, the link and the
units become the other release's, the state becomes one that it can read, it is started, and it is asked: does it serve,
is everything in the books that was there before, does the licence stand where it stood. Where any of that fails the
first release comes back with all that was recorded in between: it takes back every row that it knows from the newer
database. Only where that cannot be, or something of the copy is missing there, the copy is put back, and the journal
brings in every exchange since.

Promise: at every moment the link leads to a whole release whose state it can read, or the record says what is to be
gone back to, and the next command does that first.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from installer import plan, serving
from installer.errors import InstallerError, ReleaseUnusable, ReturnFailed, StepFailed, UpgradeReturned
from installer.ground import Ground
from installer.host import look_at_host
from installer.layout import CURRENT, DATABASE, SETTINGS, SNAPSHOTS, UNIT, USER
from installer.perform import Performer
from installer.release_command import ReleaseCommand
from installer.steps import MakeFolder, Owner, PointLink, ReloadUnits, Step, WriteFile
from installer.successor import Schemas
from licensing.errors import Refusal

SNAPSHOTS_KEPT = 2


@dataclass(frozen=True, slots=True)
class Leg:
    """Whence and whither. `copy` is where the state is copied to; `served`: the gateway ran before."""

    act: str
    old: str
    new: str
    copy: PurePosixPath
    served: bool

    def facts(self) -> dict[str, Any]:
        return {"from": self.old, "to": self.new, "copy": str(self.copy), "served": self.served}

    @classmethod
    def told(cls, act: str, facts: Mapping[str, Any]) -> Leg:
        return cls(act, facts["from"], facts["to"], PurePosixPath(facts["copy"]), facts["served"])


@dataclass(frozen=True, slots=True)
class _Ready:
    """What can be found out before the gateway is stopped. `serves`: the licence did so before."""

    steps: plan.Steps
    has_state: bool
    goes_down: bool
    serves: bool


@dataclass(frozen=True, slots=True)
class Switched:
    """`away_seconds`: from asking the gateway to stop until calls were answered again; None where it did not run."""

    old: str
    new: str
    away_seconds: float | None
    copy: str | None


def schemas_of(ground: Ground, version: str) -> tuple[Schemas, int | None]:
    """What a release says of schemas, which is also the proof that it runs on this host; and the state's own."""
    data = ground.command(version).ask("state", "schema").data
    return Schemas(int(data["newest"]), int(data["returns_to"])), data["of_state"]


def switch(ground: Ground, act: str, old: str, new: str, *, now: datetime, wait: float) -> Switched:
    """Raises UpgradeReturned where the new release failed and the old one serves again, ReturnFailed where not."""
    running = look_at_host(ground.layout, ground.programs).running
    served = running and serving.is_active(ground.programs)
    leg = Leg(act, old, new, SNAPSHOTS / f"{old}-{now:%Y%m%dT%H%M%SZ}.db", served)
    ready = _make_ready(ground, leg, running)
    ground.record.begin_act(act, leg.facts())
    before = time.monotonic()
    try:
        away = _go(ground, leg, ready, running, wait) - before
    except (Refusal, OSError) as fault:
        _come_back(ground, leg, wait, because=str(fault))
        raise UpgradeReturned(f"Release {new} was not taken: {fault} Release {old} is in force again.") from fault
    ground.record.finish(act, previous=old)
    _drop_old_copies(ground)
    return Switched(old, new, away if served else None, str(leg.copy) if ready.has_state else None)


def finish_what_was_cut_off(ground: Ground, wait: float) -> str | None:
    """Goes back to the release that a switch which was cut off came from. None where there was none."""
    story = ground.record.story
    if story.act not in ("upgrade", "rollback"):
        return None
    leg = Leg.told(story.act, story.act_facts)
    ground.tell(f"`ao {leg.act}` was cut off: going back to {leg.old} first")
    _come_back(ground, leg, wait, because="it was cut off")
    return leg.old


def _make_ready(ground: Ground, leg: Leg, running: bool) -> _Ready:
    """Asked while the gateway still serves, so that it is away for no longer than it must be."""
    schemas, of_state = schemas_of(ground, leg.new)
    serves = False
    if of_state is not None:
        _perform_quietly(ground.performer, MakeFolder(SNAPSHOTS, 0o700, Owner(USER, USER), holds_data=True))
        serves = bool(ground.command(leg.old).ask("state", "check").data["licence"]["serves"])
    goes_down = of_state is not None and of_state > schemas.newest
    return _Ready(_steps_to(ground, leg.new, running), of_state is not None, goes_down, serves)


def _go(ground: Ground, leg: Leg, ready: _Ready, running: bool, wait: float) -> float:
    """Returns the moment from which calls were answered again."""
    if running:
        ground.tell(f"stop {UNIT}: exchanges in flight finish")
        serving.stop(ground.programs)
    if ready.has_state:
        _copy_state(ground, leg)
    ground.performer.perform(ready.steps)
    if ready.goes_down:
        ground.tell(f"make the state one of {leg.new}")
        ground.command(leg.new).ask("state", "return")
    if leg.served:
        _start_and_wait(ground, wait)
    answered = time.monotonic()
    if ready.has_state:
        _check_books(ground, leg, serves=ready.serves)
    return answered


def _come_back(ground: Ground, leg: Leg, wait: float, *, because: str) -> None:
    """The release before, with the state of now. Whatever is done already is done again harmlessly."""
    ground.tell(f"go back to {leg.old}: {because}")
    try:
        running = look_at_host(ground.layout, ground.programs).running
        if running:
            serving.stop(ground.programs)
            ground.programs.succeeds("systemctl", "reset-failed", UNIT)
        ground.performer.perform(_steps_to(ground, leg.old, running))
        if ground.on_disk(DATABASE).is_file():
            _return_state(ground, leg)
        if leg.served:
            _start_and_wait(ground, wait)
    except (Refusal, OSError) as fault:
        raise ReturnFailed(
            f"Release {leg.new} failed ({because}), and {leg.old} could not be brought back: {fault}",
            where=str(ground.on_disk(leg.copy)),
        ) from fault
    ground.record.finish(leg.act, returned=because)


def _copy_state(ground: Ground, leg: Leg) -> None:
    """After the gateway has closed its books, so that nothing is in the journal alone."""
    ground.tell(f"copy the state to {leg.copy}")
    ground.command(leg.old).ask("state", "copy", str(ground.on_disk(leg.copy)))


def _perform_quietly(performer: Performer, step: Step) -> None:
    """A folder inside the state: it goes with the state, so that no record of it is needed."""
    if not performer.is_done(step):
        performer.do(step)


def _return_state(ground: Ground, leg: Leg) -> None:
    old, copy = ground.command(leg.old), ground.on_disk(leg.copy)
    try:
        newest, of_state = schemas_of(ground, leg.old)
        if of_state is not None and of_state > newest.newest:
            ground.tell(f"take the state back from schema {of_state} to {newest.newest}")
            kept = old.ask("state", "return").data["kept"]
            ground.tell(f"the newer database is kept: {kept}")
        if missing := _missing(_checked(old, copy)):
            raise StepFailed(f"It lacks what it had before ({missing}).", where=str(DATABASE))
    except InstallerError as fault:
        if not copy.is_file():
            raise
        ground.tell(f"it cannot be taken back ({fault}); the copy from before is put back, and the journal taken in")
        kept = old.ask("state", "return", "--from", str(copy)).data["kept"]
        ground.tell(f"keys, sealed files and documents since {leg.copy.name} are only in {kept}")


def _check_books(ground: Ground, leg: Leg, *, serves: bool) -> None:
    """Nothing that was there may be missing, and the licence must not stand worse. Raises StepFailed."""
    ground.tell("compare the books, and judge the licence")
    found = _checked(ground.command(leg.new), ground.on_disk(leg.copy))
    if missing := _missing(found):
        raise StepFailed(f"The books lack what was in them before ({missing}).", where=str(DATABASE))
    if serves and not found["licence"]["serves"]:
        raise StepFailed(f"The licence does not serve any more: {found['licence']['sentence']}")


def _checked(release: ReleaseCommand, copy: Path) -> Mapping[str, Any]:
    """What the release says of the state, held against the copy where there is one."""
    against = ["--against", str(copy)] if copy.is_file() else []
    return release.ask("state", "check", *against).data


def _missing(found: Mapping[str, Any]) -> str:
    """In words; empty where nothing is."""
    return ", ".join(f"{what}: {count}" for what, count in found["missing"].items() if count)


def _start_and_wait(ground: Ground, wait: float) -> None:
    ground.tell(f"start {UNIT}, and wait until it answers")
    ground.programs.run("systemctl", "start", UNIT, seconds=serving.STOP_SECONDS)
    serving.wait_until_ready(ground.programs, serving.listens_at(ground.on_disk(SETTINGS)), wait)


def _steps_to(ground: Ground, version: str, running: bool) -> plan.Steps:
    """The link, and the units as that release writes them."""
    return (
        PointLink(CURRENT, ground.layout.release(version)),
        *(WriteFile(PurePosixPath(path), text.encode()) for path, text in _units_of(ground, version).items()),
        *([ReloadUnits()] if running else []),
    )


def _units_of(ground: Ground, version: str) -> Mapping[str, str]:
    program = ground.on_disk(ground.layout.release(version)) / "bin" / "ao"
    told = ground.programs.run(str(program), "units", "--root", str(ground.layout.root), "--json")
    try:
        found = json.loads(told)["units"]
        return {str(path): str(text) for path, text in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise ReleaseUnusable("It did not say what its units are.", where=str(program)) from exc


def _drop_old_copies(ground: Ground) -> None:
    """They hold what the state holds; more of them than can be of use are only a risk."""
    folder = ground.on_disk(SNAPSHOTS)
    copies = sorted(folder.glob("*.db"), key=lambda each: each.stat().st_mtime) if folder.is_dir() else []
    for file in copies[:-SNAPSHOTS_KEPT]:
        file.unlink()
