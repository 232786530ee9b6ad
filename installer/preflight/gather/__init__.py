"""Takes the facts of a host: files below a root, what the kernel answers this process, and folders that are tried out.

Everything that is read lies below the `HostFiles`' root, so that another host's tree can be looked at; what only a
system call tells comes as `Answers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from installer.preflight.facts import Facts, Folder, Listening
from installer.preflight.gather.answers import Answers, ask_this_host
from installer.preflight.gather.folder import look_at_folder
from installer.preflight.gather.from_files import clock, locale, machine, media, memory, security, services
from installer.preflight.gather.host_files import HostFiles
from installer.preflight.gather.listening import try_to_listen

__all__ = ["Answers", "HostFiles", "Target", "ask_this_host", "facts_from_files", "gather"]


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be put where. `serving`: the appliance may be running there already."""

    releases: Path = Path("/opt/ao")
    state: Path = Path("/var/lib/ao")
    host: str | None = "127.0.0.1"
    port: int = 8080
    serving: bool = False


def gather(target: Target, files: HostFiles, answers: Answers) -> Facts:
    """The facts of this host. Writes a few KiB beside the state for a moment, to see how they are flushed."""
    folders: tuple[tuple[Path, Literal["release", "state"]], ...] = (
        (target.releases, "release"),
        (target.state, "state"),
    )
    return facts_from_files(
        files,
        answers,
        folders=tuple(look_at_folder(path, purpose, files) for path, purpose in folders),
        listening=try_to_listen(target.host, target.port, files, ours=target.serving) if target.host else None,
    )


def facts_from_files(
    files: HostFiles, answers: Answers, *, folders: tuple[Folder, ...], listening: Listening | None
) -> Facts:
    """The same with the folders and the address looked at already."""
    return Facts(
        machine=machine(files, answers),
        services=services(files, answers),
        security=security(files, answers),
        folders=folders,
        fsync_disabled=files.mentions("/proc/self/maps", "libeatmydata")
        or files.mentions("/etc/ld.so.preload", "eatmydata"),
        memory=memory(files, answers),
        clock=clock(files, answers),
        listening=listening,
        media=media(files, answers),
        locale=locale(answers),
    )
