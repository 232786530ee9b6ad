"""What the installer did to this host, on disk before and after each step.

Promise: a line is written and fsynced before a step begins (with what was there before) and after it is done, so that
whoever comes after a power cut knows exactly what may have been begun. Nothing is ever changed in it, only added. It is
all that undoing and uninstalling need; no plan of an older release has to be guessed.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from installer.errors import ActUnfinished, StepFailed


@dataclass(frozen=True, slots=True)
class Trace:
    """One step that was begun. `facts` say what it is about, `before` what was there; both as they were written."""

    key: str
    kind: str
    facts: Mapping[str, Any]
    before: Mapping[str, Any]


@dataclass(slots=True)
class Story:
    """What the lines add up to: the traces that stand, in order, and the act that was not finished, if any."""

    traces: dict[str, Trace] = field(default_factory=dict)
    act: str | None = None
    act_facts: Mapping[str, Any] = field(default_factory=dict)
    answers: Mapping[str, Any] | None = None
    previous: str | None = None

    def tell(self, line: Mapping[str, Any]) -> None:
        if "act" in line:
            self.act, self.act_facts = line["act"], line["facts"]
        elif "begin" in line:
            # What was there before the very first time is what undoing goes back to.
            first = self.traces.get(line["begin"])
            before = first.before if first else line["before"]
            self.traces[line["begin"]] = Trace(line["begin"], line["kind"], line["facts"], before)
        elif "undone" in line:
            self.traces.pop(line["undone"], None)
        elif "finished" in line:
            self.act, self.act_facts = None, {}
            self.answers = line.get("answers", self.answers)
            self.previous = line.get("previous", self.previous)


class Record:
    """The file `record.jsonl`. Its folder must be there."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.story = Story()
        for line in _whole_lines(file):
            self.story.tell(line)

    def begin_act(self, act: str, facts: Mapping[str, Any]) -> None:
        self._add({"act": act, "facts": dict(facts)})

    def begin(self, trace: Trace) -> None:
        self._add({"begin": trace.key, "kind": trace.kind, "facts": dict(trace.facts), "before": dict(trace.before)})

    def done(self, key: str) -> None:
        self._add({"done": key})

    def undone(self, key: str) -> None:
        self._add({"undone": key})

    def finish(self, act: str, **facts: Any) -> None:
        self._add({"finished": act, **facts})

    def _add(self, line: Mapping[str, Any]) -> None:
        data = json.dumps(line, sort_keys=True).encode() + b"\n"
        fresh = not self._file.exists()
        try:
            descriptor = os.open(self._file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                size = os.fstat(descriptor).st_size
                if size and os.pread(descriptor, 1, size - 1) != b"\n":
                    data = b"\n" + data  # a line that a power cut tore is left alone and passed over
                os.write(descriptor, data)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if fresh:
                sync_folder(self._file.parent)
        except OSError as exc:
            raise StepFailed(f"The record cannot be written: {exc.strerror}.", where=str(self._file)) from exc
        self.story.tell(line)


def _whole_lines(file: Path) -> Iterator[dict[str, Any]]:
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError:
        return
    except OSError as exc:
        raise StepFailed(f"The record cannot be read: {exc.strerror}.", where=str(file)) from exc
    for line in text.split("\n"):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            yield found


def sync_folder(folder: Path) -> None:
    """So that a name in it survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One installer at a time. Raises ActUnfinished."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise ActUnfinished(
                "Another command of the installer is at work.", where=str(folder), remedy="Wait until it has ended."
            ) from exc
        yield
    finally:
        os.close(descriptor)
