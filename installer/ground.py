"""The ground that every act of the installer stands on: its folders, its lock, its record, and what is installed.

Promise: two acts never run at once; an act that was cut off is seen by the next one, whichever that is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from installer.accounts import Accounts
from installer.answers import Answers
from installer.errors import NotInstalled, StepFailed
from installer.host import Programs, on_disk, require_root
from installer.layout import CURRENT, INSTALLER, KEPT, PREFIX, RECORD, RELEASES, STATE, Layout
from installer.perform import Performer
from installer.record import Record, alone
from installer.release_command import ReleaseCommand

Teller = Callable[[str], None]
_FOLDERS = ((PREFIX, 0o755), (RELEASES, 0o755), (INSTALLER, 0o700), (KEPT, 0o700))


@dataclass(frozen=True, slots=True)
class Ground:
    """One root, with what is needed to work on it. Made by `standing_on`."""

    layout: Layout
    programs: Programs
    performer: Performer
    record: Record
    arch: str
    tell: Teller

    def on_disk(self, path: PurePosixPath) -> Path:
        return on_disk(self.layout, path)

    def answers(self) -> Answers:
        """Those of the last installation that was finished."""
        kept = self.record.story.answers
        return Answers.model_validate(kept) if kept is not None else Answers()

    def installed(self) -> str:
        """Raises NotInstalled."""
        version = installed_version(self.layout)
        if version is None:
            raise NotInstalled("No release is installed here.", where=str(self.on_disk(PREFIX)))
        return version

    def command(self, version: str) -> ReleaseCommand:
        """The `ao` of an installed release, for the state of this root."""
        program = self.on_disk(self.layout.release(version)) / "bin" / "ao"
        return ReleaseCommand(program, self.on_disk(STATE), None, dict(os.environ))


@contextmanager
def standing_on(layout: Layout, tell: Teller, *, make: bool) -> Iterator[Ground]:
    """The ground, with nobody else on it. `make` makes the installer's folders; without it they must be there.

    Raises NotRoot, NotInstalled, ActUnfinished, StepFailed.
    """
    require_root()
    folder = on_disk(layout, INSTALLER)
    if make:
        _make_folders(layout)
    elif not folder.is_dir():
        raise NotInstalled("Nothing is installed here.", where=str(on_disk(layout, PREFIX)))
    with alone(folder):
        programs, record, arch = Programs(), Record(on_disk(layout, RECORD)), os.uname().machine
        performer = Performer(layout, record, programs, Accounts(layout, programs), arch, tell)
        yield Ground(layout, programs, performer, record, arch, tell)


def installed_version(layout: Layout) -> str | None:
    """The version that `current` leads to; None where it leads nowhere."""
    link = on_disk(layout, CURRENT)
    if not link.is_symlink():
        return None
    version = link.readlink().name
    return version if on_disk(layout, RELEASES / version).is_dir() else None


def releases_there(layout: Layout) -> tuple[str, ...]:
    folder = on_disk(layout, RELEASES)
    if not folder.is_dir():
        return ()
    return tuple(sorted(each.name for each in folder.iterdir() if each.is_dir() and not each.name.startswith(".")))


def _make_folders(layout: Layout) -> None:
    try:
        for path, mode in _FOLDERS:
            folder = on_disk(layout, path)
            if not folder.is_dir():
                folder.mkdir(mode=mode, parents=True)
                folder.chmod(mode)
    except OSError as exc:
        raise StepFailed(f"The folder cannot be made: {exc.strerror}.", where=str(exc.filename)) from exc


def clear_ground(layout: Layout) -> None:
    """Takes the installer's own folders away where nothing else is left in them. `/opt` is every host's own."""
    folder = on_disk(layout, INSTALLER)
    for file in (*folder.glob("kept/*"), *folder.glob("*.jsonl")):
        file.unlink()
    for path, _ in reversed(_FOLDERS):
        with suppress(OSError):  # gone already, or something is in it that no record tells of
            on_disk(layout, path).rmdir()
