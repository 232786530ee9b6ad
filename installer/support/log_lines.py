"""Log lines as they may leave (pure): the product's own, word by word, and of all others only how many there were."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from installer.support.sentences import GAP, Sentences

_LINE: Final = re.compile(
    r"(?P<at>\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}),\d{3} (?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL) "
    r"(?P<logger>ao(\.[a-z_]{1,30}){0,3}) (?P<message>.*)"
)
_FRAME: Final = re.compile(
    r'  File "[^"]*/(?P<file>(appliance|licensing|media|installer)/[A-Za-z0-9_/]{1,100}\.py)", line (?P<line>\d{1,6}), '
    r"in (?P<function><?[A-Za-z_][A-Za-z0-9_]{0,60}>?)"
)
_FAULT: Final = re.compile(r"[a-z][A-Za-z0-9_.]{0,80}\.[A-Z][A-Za-z0-9]{1,60}")
_LED: Final = "which led to"
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - written without a zone, as log lines are
STEPS: Final[dict[str, str]] = {
    "39f53479d3a045ac8e11786248231fbf": "started",
    "7d4958e842da4a758f6c1cdc7b36dcc5": "starting",
    "de5b426a63be47a7b6ac3eaac82e2f6f": "stopping",
    "9d1aaa27d60140bd96365438aad20286": "stopped",
    "be02cf6855d2428ba40df7e9d022f03d": "start failed",
    "d9b373ed55a64feb8242e02dbe79a49c": "failed",
    "98e322203f7a4ed290d09fe03c09fe15": "its process ended",
    "5eb03494b6584870a536b337290809b3": "is started again",
    "7ad2d189f7e94e70a38c781354912448": "done",
    "fe6faa94e7774663a0da52717891d8ef": "killed for want of memory",
}
"""What systemd says of a unit, by the ids that it gives these messages (systemd's own catalogue)."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """`records` in the order of the log. `left_out` counts lines that are none of this release's."""

    records: tuple[dict[str, Any], ...]
    left_out: int


@dataclass(slots=True)
class _Reading:
    records: list[dict[str, Any]] = field(default_factory=list)
    left_out: int = 0


def admit_lines(lines: Iterable[str], sentences: Sentences) -> Admitted:
    """Of each line the time, level, place and the sentence; of a fault its frames and type."""
    reading = _Reading()
    for line in lines:
        _take(line.rstrip("\n"), None, sentences, reading)
    return Admitted(tuple(reading.records), reading.left_out)


def admit_entries(entries: Iterable[dict[str, Any]], sentences: Sentences) -> Admitted:
    """The same of the journal's entries, and what systemd says of the unit."""
    reading = _Reading()
    for entry in entries:
        at = _microseconds(entry.get("__REALTIME_TIMESTAMP"))
        step = STEPS.get(str(entry.get("MESSAGE_ID")))
        if step is not None and entry.get("_PID") == "1":
            reading.records.append({"at": at, "systemd": step, **_ending(entry)})
            continue
        message = entry.get("MESSAGE")
        for line in message.split("\n") if isinstance(message, str) else [""]:
            _take(line, at, sentences, reading)
    return Admitted(tuple(reading.records), reading.left_out)


def _take(line: str, at: str | None, sentences: Sentences, reading: _Reading) -> None:
    if found := _LINE.fullmatch(line):
        said = sentences.admit(found["message"])
        if said is None:
            reading.left_out += 1
        record = {"at": found["at"], "level": found["level"], "logger": found["logger"]}
        reading.records.append({**record, "said": GAP if said is None else said})
    elif found := _FRAME.fullmatch(line):
        reading.records.append({"frame": f"{found['file']}:{found['line']} {found['function']}"})
    elif _FAULT.fullmatch(line):
        reading.records.append({"fault": line})
    elif line == _LED:
        reading.records.append({"fault": _LED})
    elif line.strip():
        # What `ao serve` prints of itself, and a refusal at its start, have no time of their own.
        said = sentences.admit(line.removeprefix("ao: ").strip())
        if said is None:
            reading.left_out += 1
        else:
            reading.records.append({**({"at": at} if at else {}), "said": said})


def _ending(entry: dict[str, Any]) -> dict[str, str]:
    """How a process ended, where systemd says it."""
    told = {"EXIT_CODE": "how", "EXIT_STATUS": "status", "JOB_RESULT": "result", "UNIT_RESULT": "result"}
    return {
        name: str(entry[key])
        for key, name in told.items()
        if re.fullmatch(r"[A-Za-z0-9-]{1,20}", str(entry.get(key, "-!")))
    }


def _microseconds(value: object) -> str | None:
    """The journal's time as it stands in log lines, in UTC."""
    if not (isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 17):
        return None
    return f"{_EPOCH + timedelta(seconds=int(value) // 1_000_000):%Y-%m-%d %H:%M:%S}"
