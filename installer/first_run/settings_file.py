"""Members of the host's settings file that are added or changed, and nothing else in it.

A member that is there keeps its line, its comment and its place; others are put before the first line, since a bare
member must stand before the first table. The new file takes the old one's place only after the release itself has read
it. Owner and mode stay.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from installer.errors import AnswerRefused, ReleaseRefused
from installer.first_run.step import Here
from licensing.shown import shown
from media.errors import NotFound
from media.reader import read_document
from media.writer import write_document

LIMIT = 256 * 1024
SETTINGS_REFUSED = "settings_refused"


def read_settings(file: Path) -> Mapping[str, Any]:
    """What the file says; nothing where there is none. Raises AnswerRefused where it cannot be read as TOML."""
    try:
        return tomllib.loads(read_document(file, limit=LIMIT).decode("utf-8"))
    except NotFound:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AnswerRefused(
            f"The settings file is not TOML: {error}.", where=shown(str(file)), remedy="Correct it by hand."
        ) from error


def lines_of(members: Mapping[str, str | int]) -> list[str]:
    """As TOML: a JSON text is a TOML text."""
    return [f"{name} = {json.dumps(value, ensure_ascii=True)}" for name, value in members.items()]


def put_members(here: Here, members: Mapping[str, str | int]) -> list[str]:
    """Raises ReleaseRefused where the release would not take the file; then it is as it was."""
    file = here.settings
    facts = None
    before = b""
    with suppress(NotFound):
        before = read_document(file, limit=LIMIT)
        facts = file.stat()
    data = with_members(before.decode("utf-8"), members, where=shown(str(file))).encode()
    _require_readable(here, data)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_document(file, data, replace=True, mode=(facts.st_mode & 0o777) if facts else 0o644)
    if facts is not None and (facts.st_uid, facts.st_gid) != (os.geteuid(), os.getegid()):
        os.chown(file, facts.st_uid, facts.st_gid)
    return [f"{shown(str(file))}: {', '.join(lines_of(members))}"]


def with_members(text: str, members: Mapping[str, str | int], *, where: str) -> str:
    """The text with these members. Raises AnswerRefused where one is written in a way that cannot be changed here."""
    there = tomllib.loads(text)
    lines, added = text.split("\n"), []
    for name, value in members.items():
        (line,) = lines_of({name: value})
        if name not in there:
            added.append(line)
            continue
        found = [number for number, each in enumerate(lines) if _member_line(name).match(each)]
        if len(found) == 1:
            comment = _member_line(name).match(lines[found[0]])
            lines[found[0]] = line + (comment.group("comment") if comment else "")
    changed = "\n".join([*added, *lines])
    if tomllib.loads(changed) != {**there, **members}:
        raise AnswerRefused(
            f"{', '.join(members)} cannot be changed there without touching more.",
            where=where,
            remedy="Change it by hand.",
        )
    return changed


def _member_line(name: str) -> re.Pattern[str]:
    """A member on a line of its own, with a plain text or number."""
    return re.compile(rf"\s*{re.escape(name)}\s*=\s*(\"[^\"\\]*\"|'[^']*'|\d+)(?P<comment>\s*(#.*)?)$")


def _require_readable(here: Here, data: bytes) -> None:
    """Has the release itself read the file, under another name."""
    with tempfile.TemporaryDirectory(prefix="ao-setup-") as folder:
        copy = Path(folder) / "settings.toml"
        copy.write_bytes(data)
        here.release.hand_over(copy.parent)
        here.release.hand_over(copy)
        try:
            here.release.with_settings(copy).ask("status")
        except ReleaseRefused as refusal:
            if refusal.code == SETTINGS_REFUSED:
                refusal.where = shown(str(here.settings))
                raise
