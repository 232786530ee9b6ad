"""Taking the appliance off a host: everything that the record says was made here, the last first.

Promise: the usage that the vendor has not acknowledged is carried out first, or somebody has said in so many words that
it is not to be. Running it again goes on where it was cut off, to the very end: the last act, removing the release that
this program itself runs from, is left to a shell script that stands in the command's place until it is done.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from installer.errors import InstallerError, StepFailed, UsageUnsaved
from installer.ground import Ground, Teller, installed_version, standing_on
from installer.host import look_at_host, on_disk
from installer.layout import COMMAND, DATABASE, PREFIX, UNIT, Layout
from installer.record import Trace, sync_folder
from licensing.errors import Refusal

UNINSTALL = "uninstall"
_ELSEWHERE = "ao-finish-uninstall"
_SAYS = "# AO Appliance is being removed from this host."


@dataclass(frozen=True, slots=True)
class Farewell:
    """`purge` takes the state, the settings and the user as well. `usage_to` is where the last usage files go."""

    purge: bool
    usage_to: Path | None
    without_usage: bool


@dataclass(frozen=True, slots=True)
class Uninstalled:
    """`finish` is the script that removes the rest: to be run as the last thing this process does."""

    undone: tuple[str, ...]
    usage: tuple[str, ...]
    finish: Path


def steps_of(layout: Layout, farewell: Farewell) -> tuple[str, ...]:
    """What `uninstall` would do, as lines. Changes nothing but the lock."""
    with standing_on(layout, lambda _line: None, make=False) as ground:
        kept = tuple(f"take back: {each.key}" for each in reversed(_to_undo(ground, farewell)))
        return (f"stop {UNIT}", *_usage_lines(farewell), *kept, f"remove {PREFIX} and {COMMAND}")


def uninstall(layout: Layout, farewell: Farewell, tell: Teller) -> Uninstalled:
    """Raises UsageUnsaved (then nothing has changed but that the gateway is stopped), StepFailed."""
    with standing_on(layout, tell, make=False) as ground:
        _require_words(ground, farewell)
        usage = stop_and_carry_out(ground, farewell.usage_to)
        host = look_at_host(layout, ground.programs)
        ground.record.begin_act(UNINSTALL, {"purge": farewell.purge})
        traces = _to_undo(ground, farewell)
        ground.performer.undo(traces, purge=farewell.purge)
        if host.running:
            ground.programs.run("systemctl", "daemon-reload")
            ground.programs.succeeds("systemctl", "reset-failed", UNIT)
        finish = _leave_script(ground)
        return Uninstalled(tuple(each.key for each in traces), usage, finish)


def what_is_left_to_run(layout: Layout) -> Path | None:
    """The script that a removal left for its end, where it was cut off before that."""
    command, prefix = on_disk(layout, COMMAND), on_disk(layout, PREFIX)
    for script in (command, prefix.with_name(_ELSEWHERE)):
        if script.is_file() and not script.is_symlink() and _SAYS.encode() in script.read_bytes():
            return script
    return None


def _to_undo(ground: Ground, farewell: Farewell) -> tuple[Trace, ...]:
    """All but the release that is running this, its command, and the folders above that: they go last."""
    last = {str(COMMAND), *map(str, COMMAND.parents)}
    return tuple(
        each
        for each in ground.record.story.traces.values()
        if each.kind not in ("CopyRelease", "StartUnit")
        and each.facts.get("path") not in last
        and (farewell.purge or not is_data(each))
    )


def is_data(trace: Trace) -> bool:
    return trace.kind == "MakeUser" or bool(trace.facts.get("holds_data"))


def _require_words(ground: Ground, farewell: Farewell) -> None:
    state = ground.on_disk(DATABASE)
    if farewell.purge and state.is_file() and farewell.usage_to is None and not farewell.without_usage:
        raise UsageUnsaved("The state holds usage, and nobody has said where it is to go.", where=str(state))


def stop_and_carry_out(ground: Ground, usage_to: Path | None) -> tuple[str, ...]:
    """Stops the gateway, closes the running period and writes what the vendor has not acknowledged.

    Raises UsageUnsaved: then nothing has changed but that the gateway is stopped.
    """
    if look_at_host(ground.layout, ground.programs).running:
        ground.tell(f"stop {UNIT}")
        if ground.programs.succeeds("systemctl", "cat", UNIT):
            ground.programs.run("systemctl", "stop", UNIT, seconds=120)
    version = installed_version(ground.layout)
    if usage_to is None or version is None or not ground.on_disk(DATABASE).is_file():
        return ()
    release, target = ground.command(version), usage_to.absolute()
    ground.tell(f"write the last usage files to {target}")
    try:
        # Root may write where the state's owner may not: a medium that root has mounted.
        asked = release.as_root()
        asked.ask("usage", "seal", "--now")
        files = asked.ask("usage", "export", "--out", str(target)).data["files"]
    except (InstallerError, Refusal) as refusal:
        raise UsageUnsaved(f"The last usage files could not be written: {refusal}") from refusal
    return tuple(str(each["file"]) for each in files)


def _usage_lines(farewell: Farewell) -> Iterator[str]:
    if farewell.usage_to is not None:
        yield f"write the last usage files to {farewell.usage_to}"


def _leave_script(ground: Ground) -> Path:
    """In the place of the command: what runs it, or the whole command again, finishes the removal."""
    command, prefix = ground.on_disk(COMMAND), ground.on_disk(PREFIX)
    before = ground.record.story.traces.get(f"link {COMMAND}")
    former = before.before["target"] if before else None
    script = command if command.parent.is_dir() else prefix.with_name(_ELSEWHERE)
    last = (
        f"ln -sfn -- {shlex.quote(former)} {shlex.quote(str(script))}"
        if former
        else f"rm -f -- {shlex.quote(str(script))}"
    )
    made = [
        shlex.quote(str(ground.on_disk(path)))
        for path in COMMAND.parents
        if (trace := ground.record.story.traces.get(f"folder {path}")) and not trace.before["existed"]
    ]
    text = "\n".join(
        [
            "#!/bin/sh",
            f"{_SAYS} This removes the rest; run it again if it was cut off.",
            f"rm -rf -- {shlex.quote(str(prefix))} || exit 113",
            last,
            *([f"rmdir -- {' '.join(made)} 2>/dev/null"] if made else []),
            "exit 0",
            "",
        ]
    )
    fresh = script.with_name(f".{script.name}.installing")
    try:
        fresh.write_text(text, "utf-8")
        fresh.chmod(0o755)
        fresh.rename(script)
        sync_folder(script.parent)
    except OSError as exc:
        raise StepFailed(f"It cannot be written: {exc.strerror}.", where=str(script)) from exc
    return script
