"""A host's own files, below a root: `/` for this host."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PIECE: Final = 32 * 1024


@dataclass(frozen=True, slots=True)
class HostFiles:
    """Reads what is there; what is not, or not for this user, is None."""

    root: Path = Path("/")

    def read(self, path: str) -> str | None:
        try:
            with self._at(path).open("rb", buffering=0) as stream:
                # In pieces: the kernel sets memory aside for as much as is asked for, and refuses more than it has.
                pieces = b"".join(iter(lambda: stream.read(_PIECE), b""))
            return pieces.decode("utf-8", "replace")
        except (OSError, ValueError):
            return None

    def number(self, path: str) -> int | None:
        try:
            return int((self.read(path) or "").split()[0])
        except (IndexError, ValueError):
            return None

    def names(self, path: str) -> tuple[str, ...]:
        try:
            return tuple(sorted(each.name for each in self._at(path).iterdir()))
        except OSError:
            return ()

    def has(self, path: str) -> bool:
        return self._at(path).exists()

    def mentions(self, path: str, words: str) -> bool:
        return words in (self.read(path) or "")

    def points_to(self, path: str) -> str | None:
        """Where a link of /sys leads, as a path of that host."""
        try:
            return str(self._at(path).resolve(strict=True).relative_to(self.root.resolve()))
        except (OSError, ValueError):
            return None

    def _at(self, path: str) -> Path:
        return self.root / path.lstrip("/")
