"""What lies on a medium for one site: names first, bytes when they are wanted, nothing believed.

Only the names of layout.py are looked at; everything else is counted and left alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from licensing.errors import Refusal
from licensing.shown import shown
from media.beneath import Beneath
from media.errors import MediaError, NotARegularFile, NotFound, TooLarge
from media.layout import KINDS, TOP, Direction, KindName, kind_of
from media.reader import LIMITS

DOCUMENT_LIMIT: Final[Mapping[Direction, int]] = MappingProxyType({"to-site": 1000, "to-vendor": 10_000})
"""The most documents that are read for one site; usage files, one a day, may have waited for years."""

_SITE_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{2,62}")


@dataclass(frozen=True, slots=True)
class Found:
    """A name that says what the file would be. `parts` leads there from the medium's root."""

    kind: KindName
    parts: tuple[str, ...]

    @property
    def name(self) -> str:
        """For a person: nothing in it that a terminal would act upon."""
        return shown(self.parts[-1])

    def read(self, root: Beneath) -> bytes:
        """The bytes, within what this kind of document may have. Raises MediaError."""
        return root.read(self.parts, limit=LIMITS[self.kind])


@dataclass(frozen=True, slots=True)
class Inbox:
    """`found` in the order in which they are to be taken; `foreign` counts names that are none of ours."""

    found: tuple[Found, ...] = ()
    foreign: int = 0
    refused: tuple[Refusal, ...] = field(default=())


def sites_on(root: Beneath, direction: Direction) -> list[str]:
    """The sites that something on this medium is named for: what can be a site's id, once each. Raises MediaError."""
    folder = _spelled(root, (TOP, direction))
    names = {name.lower() for name in root.names(folder)} if folder is not None else set()
    return sorted(name for name in names if is_site_id(name))


def is_site_id(name: str) -> bool:
    return _SITE_ID.fullmatch(name) is not None


def look(root: Beneath, direction: Direction, site: str) -> Inbox:
    """What lies here for, or from, this site. A medium without our folders is an empty inbox. Raises MediaError."""
    folder = _spelled(root, (TOP, direction, site))
    if folder is None:
        return Inbox()
    by_fold: dict[str, list[str]] = {}
    names = root.names(folder)
    for name in names:
        if kind_of(name, direction) is not None:
            by_fold.setdefault(name.casefold(), []).append(name)
    found = [_found(folder, spellings[0], direction) for spellings in by_fold.values() if len(spellings) == 1]
    twice = [spellings for spellings in by_fold.values() if len(spellings) > 1]
    known = sum(len(each) for each in by_fold.values())
    if known > DOCUMENT_LIMIT[direction]:
        raise TooLarge(
            f"There are {known} documents here; at most {DOCUMENT_LIMIT[direction]} are read.",
            where=root.where(folder),
            remedy="Keep those that are needed, and move the others away.",
        )
    return Inbox(
        tuple(sorted(found, key=_place)),
        len(names) - known,
        tuple(_ambiguous(root, folder, spellings) for spellings in twice),
    )


def bare(refusal: Refusal) -> Refusal:
    """The refusal without what led to it, to be kept: its tracebacks would keep every refused file in memory."""
    refusal.__cause__ = refusal.__context__ = None
    return refusal.with_traceback(None)


def _spelled(root: Beneath, parts: Sequence[str]) -> tuple[str, ...] | None:
    """The folder as it is spelled on this medium, or None. Raises MediaError where a link or a file has its name."""
    spelled: tuple[str, ...] = ()
    for part in parts:
        try:
            names = [name for name in root.names(spelled) if name.casefold() == part.casefold()]
        except NotFound:
            return None
        if not names:
            return None
        if len(names) > 1:
            raise _ambiguous(root, spelled, names)
        spelled = (*spelled, names[0])
    with root.folder(spelled):
        return spelled


def _found(folder: Sequence[str], name: str, direction: Direction) -> Found:
    kind = kind_of(name, direction)
    if kind is None:
        raise ValueError("only names of ours are found")
    return Found(kind, (*folder, name))


def _place(found: Found) -> tuple[int, int, str]:
    # Trust versions and receipts follow one another: shorter names hold smaller numbers.
    return KINDS[found.kind].order, len(found.parts[-1]), found.parts[-1].casefold()


def _ambiguous(root: Beneath, folder: Sequence[str], spellings: Sequence[str]) -> MediaError:
    return NotARegularFile(
        f"{len(spellings)} entries differ only in upper and lower case: {', '.join(map(shown, sorted(spellings)))}.",
        where=root.where(folder),
        remedy="Take away those that do not belong there; on another computer they would be one and the same.",
    )
