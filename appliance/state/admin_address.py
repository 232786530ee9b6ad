"""Where the running gateway's admin API is to be found, for whoever asks at the host."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from media.errors import MediaError
from media.reader import read_document
from media.writer import write_document

_NAME = "admin.address"
_LIMIT = 256


def note_address(folder: Path, address: str) -> None:
    """Raises MediaError."""
    write_document(folder / _NAME, address.encode() + b"\n", replace=True, mode=0o600)


def forget_address(folder: Path) -> None:
    with suppress(OSError):
        (folder / _NAME).unlink(missing_ok=True)


def noted_address(folder: Path) -> str | None:
    try:
        return read_document(folder / _NAME, limit=_LIMIT).decode(errors="replace").strip()
    except MediaError:
        return None
