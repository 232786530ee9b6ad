"""Doing a step, recognising it as done, and taking it back.

Promise: each step is whole or not there at every moment (a file and a link by one rename, a release by one rename), so
that a run that is killed anywhere leaves only what a second run, or undoing, recognises. What a step replaces is kept
beside the record first. Nothing is followed through a link that the installer did not make.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from installer.accounts import Accounts
from installer.errors import StepFailed
from installer.host import Programs, on_disk
from installer.layout import KEPT, Layout
from installer.record import Record, Trace, sync_folder
from installer.steps import (
    CopyRelease,
    MakeFolder,
    MakeUser,
    PointLink,
    ReloadUnits,
    RemoveFile,
    StartUnit,
    Step,
    WriteFile,
)
from installer.tree import copy_tree, is_whole, read_release, remove_tree


@dataclass(frozen=True, slots=True)
class Performer:
    """Carries out steps under one root. `arch` is this machine's; `tell` is given a line for each step."""

    layout: Layout
    record: Record
    programs: Programs
    accounts: Accounts
    arch: str
    tell: Callable[[str], None]

    def perform(self, steps: tuple[Step, ...]) -> None:
        """All of them in order; what is done already is passed over. Raises StepFailed, ReleaseDamaged."""
        for number, step in enumerate(steps, 1):
            if self.is_done(step):
                self._note_data(step)
                self.tell(f"[{number}/{len(steps)}] {step}: is so already")
                continue
            self.record.begin(self._trace(step))
            self.tell(f"[{number}/{len(steps)}] {step}")
            try:
                self.do(step)
            except OSError as exc:
                raise StepFailed(f"It cannot be done: {exc.strerror}.", where=str(step)) from exc
            self.record.done(step.key)

    def _note_data(self, step: Step) -> None:
        """What an earlier installation left with its data is on record as well, so that a purge takes it away."""
        holds_data = isinstance(step, MakeUser) or getattr(step, "holds_data", False)
        if holds_data and step.key not in self.record.story.traces:
            self.record.begin(self._trace(step))
            self.record.done(step.key)

    def is_done(self, step: Step) -> bool:
        """Whether the host is as this step leaves it."""
        match step:
            case MakeUser():
                return self.accounts.has(step.name)
            case MakeFolder():
                folder = self._on_disk(step.path)
                return folder.is_dir() and (not step.holds_data or self._is_ours(folder, step))
            case CopyRelease():
                return is_whole(self._on_disk(step.target), arch=self.arch)
            case WriteFile():
                file = self._on_disk(step.path)
                if step.once:
                    return os.path.lexists(file)
                return not file.is_symlink() and _bytes(file) == step.content and self._is_ours(file, step)
            case RemoveFile():
                return not os.path.lexists(self._on_disk(step.path))
            case PointLink():
                return _target(self._on_disk(step.path)) == str(step.target)
            case ReloadUnits():
                return False
            case StartUnit():
                return self.programs.succeeds("systemctl", "is-active", "-q", step.unit)

    def do(self, step: Step) -> None:
        match step:
            case MakeUser():
                self.accounts.add(step.name, step.home)
            case MakeFolder():
                folder = self._on_disk(step.path)
                with suppress(FileExistsError):
                    folder.mkdir(mode=step.mode if step.owner.user == "root" else 0o700)
                if folder.is_symlink() or not folder.is_dir():
                    raise StepFailed("Something else has this name.", where=str(step.path))
                if step.holds_data:
                    os.chown(folder, *self.accounts.ids(step.owner))
                folder.chmod(step.mode)
                sync_folder(folder.parent)
            case CopyRelease():
                copy_tree(read_release(Path(step.source), arch=self.arch), self._on_disk(step.target))
            case WriteFile():
                self._write(self._on_disk(step.path), step.content, step.mode, self.accounts.ids(step.owner))
            case RemoveFile():
                self._on_disk(step.path).unlink(missing_ok=True)
                sync_folder(self._on_disk(step.path).parent)
            case PointLink():
                self._point(self._on_disk(step.path), str(step.target))
            case ReloadUnits():
                self.programs.run("systemctl", "daemon-reload")
            case StartUnit():
                self.programs.run("systemctl", "start", step.unit, seconds=120)

    def undo(self, traces: tuple[Trace, ...], *, purge: bool) -> None:
        """Takes back, the last first. Without `purge`, what holds data stays where somebody put something into it."""
        for trace in reversed(traces):
            self.tell(f"take back: {trace.key}")
            try:
                self._take_back(trace, purge=purge)
            except OSError as exc:
                raise StepFailed(f"It cannot be taken back: {exc.strerror}.", where=trace.key) from exc
            self.record.undone(trace.key)

    def _take_back(self, trace: Trace, *, purge: bool) -> None:
        facts, before = trace.facts, trace.before
        path = self._on_disk(PurePosixPath(facts["path"])) if "path" in facts else None
        match trace.kind:
            case "MakeUser":
                # One that an earlier installation left with its data is known by its home.
                if not before["existed"] or (purge and self.accounts.home(facts["name"]) == facts["home"]):
                    self.accounts.remove(facts["name"])
            case "MakeFolder" if path is not None:
                self._leave_folder(path, facts, before, purge=purge)
            case "CopyRelease" if path is not None:
                remove_tree(path.with_name(f".incoming-{path.name}"))
                if not before["existed"]:
                    remove_tree(path)
            case "WriteFile" | "RemoveFile" if path is not None:
                self._put_file_back(path, facts, before, purge=purge)
            case "PointLink" if path is not None:
                _new_name(path).unlink(missing_ok=True)
                if before["target"] is not None:
                    self._point(path, before["target"])
                elif path.is_symlink():
                    path.unlink()
            case "ReloadUnits":
                self.programs.succeeds("systemctl", "daemon-reload")
            case "StartUnit":
                self.programs.run("systemctl", "stop", facts["unit"], seconds=120)

    def _leave_folder(self, path: Path, facts: Mapping[str, Any], before: Mapping[str, Any], *, purge: bool) -> None:
        if purge and facts["holds_data"]:
            remove_tree(path)
        elif not before["existed"]:
            with suppress(OSError):  # not empty: somebody else's things are in it, or data that is to stay
                path.rmdir()
        elif "mode" in before and path.is_dir() and facts["holds_data"]:
            path.chmod(before["mode"])
            os.chown(path, before["uid"], before["gid"])

    def _put_file_back(self, path: Path, facts: Mapping[str, Any], before: Mapping[str, Any], *, purge: bool) -> None:
        _new_name(path).unlink(missing_ok=True)
        if before["existed"] and not (purge and facts.get("holds_data")):
            kept = self._kept(before["sha256"])
            # Killed before the bytes were kept, the step had not replaced them either.
            if kept.is_file():
                self._write(path, kept.read_bytes(), before["mode"], (before["uid"], before["gid"]))
        elif path.is_symlink() or not facts.get("holds_data") or purge:
            path.unlink(missing_ok=True)
        elif (found := _bytes(path)) is not None and _sha256(found) == facts["sha256"]:
            path.unlink()  # as the installer wrote it: nobody has put anything of their own into it

    def _trace(self, step: Step) -> Trace:
        kind, facts, before = type(step).__name__, dict[str, Any](), dict[str, Any]()
        match step:
            case MakeUser():
                facts = {"name": step.name, "home": str(step.home)}
                before = {"existed": self.accounts.has(step.name)}
            case MakeFolder():
                facts = {"path": str(step.path), "holds_data": step.holds_data}
                before = _look(self._on_disk(step.path))
            case CopyRelease():
                facts = {"path": str(step.target), "version": step.version}
                before = {"existed": is_whole(self._on_disk(step.target), arch=self.arch)}
            case WriteFile() | RemoveFile():
                facts = {"path": str(step.path)}
                if isinstance(step, WriteFile):
                    facts |= {"holds_data": step.holds_data, "sha256": _sha256(step.content)}
                before = self._keep(self._on_disk(step.path), step.key)
            case PointLink():
                facts = {"path": str(step.path), "target": str(step.target)}
                before = {"target": _target(self._on_disk(step.path))}
                if before["target"] is None and os.path.lexists(self._on_disk(step.path)):
                    raise StepFailed("Something that is no link has this name.", where=str(step.path))
            case StartUnit():
                facts = {"unit": step.unit}
        return Trace(step.key, kind, facts, before)

    def _keep(self, path: Path, key: str) -> dict[str, Any]:
        """What is there now; its bytes are kept where this is the first time that the step replaces something."""
        before = _look(path)
        if not before["existed"]:
            return before
        if path.is_symlink() or not path.is_file():
            raise StepFailed("Something that is no file has this name.", where=str(path))
        data = path.read_bytes()
        before["sha256"] = _sha256(data)
        if key not in self.record.story.traces:
            self._write(self._kept(before["sha256"]), data, 0o600, (0, 0))
        return before

    def _kept(self, sha256: str) -> Path:
        return self._on_disk(KEPT) / sha256

    def _write(self, file: Path, content: bytes, mode: int, ids: tuple[int, int]) -> None:
        fresh = _new_name(file)
        fresh.unlink(missing_ok=True)
        with fresh.open("xb") as out:
            os.fchmod(out.fileno(), mode)
            os.fchown(out.fileno(), *ids)
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        fresh.rename(file)
        sync_folder(file.parent)

    def _point(self, link: Path, target: str) -> None:
        fresh = _new_name(link)
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target)
        fresh.rename(link)
        sync_folder(link.parent)

    def _is_ours(self, path: Path, step: MakeFolder | WriteFile) -> bool:
        found = path.stat()
        return stat.S_IMODE(found.st_mode) == step.mode and (found.st_uid, found.st_gid) == self.accounts.ids(
            step.owner
        )

    def _on_disk(self, path: PurePosixPath) -> Path:
        return on_disk(self.layout, path)


def _new_name(path: Path) -> Path:
    """Always the same, so that what a killed run left is found by the next one."""
    return path.with_name(f".{path.name}.installing")


def _look(path: Path) -> dict[str, Any]:
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return {"existed": False}
    return {"existed": True, "mode": stat.S_IMODE(found.st_mode), "uid": found.st_uid, "gid": found.st_gid}


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _target(path: Path) -> str | None:
    return str(path.readlink()) if path.is_symlink() else None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
