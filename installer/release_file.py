"""A release as it is carried in: the `.run` file, and release.json beside it, signed for this site's trust.

Promise: nothing in the file runs, and none of it is unpacked, before the trust that the installed release has pinned
says that the role `release` signed for exactly these bytes under this name. The bytes that were hashed are the bytes
that are unpacked: the file is copied to a private folder first, where nobody can change it in between.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from installer.errors import ReleaseUnusable, UpgradeRefused
from installer.ground import Teller
from installer.host import Programs, on_disk
from installer.layout import PREFIX, Layout
from installer.release_command import ReleaseCommand
from installer.successor import require_upgrade
from licensing.release import Release, open_release
from licensing.shown import shown
from licensing.trust import Trust
from media.errors import NotFound, Unreadable
from media.reader import read_document

NAME = "release.json"
LIMIT_BYTES = 1024 * 1024
UNPACK_SECONDS = 900
_PIECE = 1024 * 1024


@contextmanager
def opened(
    file: Path, layout: Layout, installed: str, command: ReleaseCommand, programs: Programs, tell: Teller
) -> Iterator[Path]:
    """The unpacked tree of a believed file, for as long as the block lasts.

    Raises UpgradeRefused, MediaError, and what the signature or the file's digest is refused for.
    """
    trust = pinned_trust(command)
    document = read_document(file.with_name(NAME), limit=LIMIT_BYTES)
    release = open_release(document, trust).claims
    require_upgrade(installed, release.version, release.upgrades_from)
    with tempfile.TemporaryDirectory(dir=on_disk(layout, PREFIX), prefix=".carried-in-") as folder:
        tell(f"copy {file.name} and compare it with what was signed")
        copy = Path(folder) / file.name
        _copy_and_compare(file, copy, release)
        tell("unpack it")
        tree = Path(folder) / "tree"
        programs.run("/bin/sh", str(copy), "--extract", str(tree), seconds=UNPACK_SECONDS)
        copy.unlink()
        yield tree


def pinned_trust(command: ReleaseCommand) -> Trust:
    """Whom this site believes, as its installed release reads it from its state. Raises UpgradeRefused."""
    if not (command.state_dir / "ao.db").is_file():
        raise UpgradeRefused(
            "There is no site here yet, and so nobody whose signature is believed.",
            remedy="Set the site up first (ao setup), or install the new release anew: sh FILE.",
        )
    try:
        return Trust.model_validate_json(json.dumps(command.ask("trust", "show").data))
    except ValidationError as exc:
        raise ReleaseUnusable("It does not tell its trust in a form that is known here.") from exc


def _copy_and_compare(file: Path, copy: Path, release: Release) -> None:
    digest, size = hashlib.sha256(), 0
    try:
        with file.open("rb") as source, copy.open("xb") as target:
            while piece := source.read(_PIECE):
                digest.update(piece)
                size += len(piece)
                target.write(piece)
    except FileNotFoundError as exc:
        raise NotFound("There is no such file.", where=shown(str(file))) from exc
    except OSError as exc:
        raise Unreadable(f"The file cannot be copied: {exc.strerror}.", where=shown(str(file))) from exc
    release.artefact(file.name, size=size, digest=f"sha256:{digest.hexdigest()}")


def drop_leftovers(layout: Layout) -> None:
    """What a run that was killed left unpacked."""
    for folder in on_disk(layout, PREFIX).glob(".carried-in-*"):
        shutil.rmtree(folder, ignore_errors=True)
