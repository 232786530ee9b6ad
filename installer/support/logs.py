"""The log part of a bundle: from systemd's journal, or from the ends of files that are named."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from installer.layout import UNIT
from installer.support.bundle import Part
from installer.support.log_lines import Admitted, admit_entries, admit_lines
from installer.support.sentences import Sentences, sentences_in

LINES: Final = 5000
_TAIL: Final = 4 * 1024 * 1024
_FIELDS: Final = "MESSAGE,MESSAGE_ID,EXIT_CODE,EXIT_STATUS,JOB_RESULT,UNIT_RESULT,_PID"
SOURCES: Final = ("appliance", "licensing", "media", "installer")
WHAT: Final = "log lines that are sentences of this release, with the frames and types of its faults"


def this_releases_sentences() -> Sentences:
    """From the sources that are installed beside this module."""
    return sentences_in(
        file.read_text(encoding="utf-8") for folder in _sources() for file in sorted(folder.rglob("*.py"))
    )


def logs_part(files: Sequence[Path], sentences: Sentences, *, lines: int = LINES) -> Part:
    """Of files that are named their last lines, else the journal's of the service."""
    if files:
        admitted = admit_lines((line for file in files for line in _tail(file, lines)), sentences)
    elif shutil.which("journalctl") is None:
        return Part(LOGS, WHAT, [], ("no journal is here; name files with --log-file",))
    else:
        admitted = admit_entries(_journal(lines), sentences)
    return Part(LOGS, WHAT, list(admitted.records), _counted(admitted))


LOGS: Final = "logs"


def _counted(admitted: Admitted) -> tuple[str, ...]:
    return (
        (f"{admitted.left_out} lines, or the words of lines, that this release did not say",)
        if admitted.left_out
        else ()
    )


def _tail(file: Path, lines: int) -> list[str]:
    try:
        with file.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - _TAIL))
            return stream.read(_TAIL).decode("utf-8", "replace").split("\n")[-lines - 1 :]
    except OSError:
        return []


def _journal(lines: int) -> Iterator[dict[str, Any]]:
    words = ["journalctl", "-u", UNIT, "-o", "json", "--no-pager", "-q", "-n", str(lines), f"--output-fields={_FIELDS}"]
    done = subprocess.run(words, capture_output=True, check=False)
    for line in done.stdout.split(b"\n"):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry


def _sources() -> Iterator[Path]:
    for name in SOURCES:
        spec = find_spec(name)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            yield Path(place)
