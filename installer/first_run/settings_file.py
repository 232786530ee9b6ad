"""Members that are added to the host's settings file, and nothing in it changed.

Lines are put before those that are there (a bare member must stand before the first table); every byte of the old
file stays. The new file takes its place only after the release itself has read it. Owner and mode stay.
"""

from __future__ import annotations

import json
import os
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


def add_members(here: Here, members: Mapping[str, str | int]) -> list[str]:
    """Adds members that the file does not have. Raises ReleaseRefused where the release would not take the file."""
    file = here.settings
    there = sorted(set(members) & set(read_settings(file)))
    if there:
        raise AnswerRefused(
            f"{', '.join(there)} stands there already.", where=shown(str(file)), remedy="Change it by hand."
        )
    facts = None
    before = b""
    with suppress(NotFound):
        before = read_document(file, limit=LIMIT)
        facts = file.stat()
    data = "".join(f"{line}\n" for line in lines_of(members)).encode() + before
    _require_readable(here, data)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_document(file, data, replace=True, mode=(facts.st_mode & 0o777) if facts else 0o644)
    if facts is not None and (facts.st_uid, facts.st_gid) != (os.geteuid(), os.getegid()):
        os.chown(file, facts.st_uid, facts.st_gid)
    return [f"{shown(str(file))}: {', '.join(lines_of(members))}"]


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
