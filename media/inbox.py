"""What lies on a medium for one site: names first, bytes when they are wanted, nothing believed.

Only the names of layout.py are looked at; everything else is counted and left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from licensing.errors import Refusal
from licensing.shown import shown
from media.beneath import Beneath
from media.errors import MediaError, NotARegularFile, NotFound
from media.layout import KINDS, TOP, Direction, KindName, kind_of
from media.reader import LIMITS


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
    """The sites that something on this medium is named for. Raises MediaError."""
    folder = _spelled(root, (TOP, direction))
    return sorted(name.casefold() for name in root.names(folder)) if folder is not None else []


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
    return Inbox(
        tuple(sorted(found, key=_place)),
        len(names) - known,
        tuple(_ambiguous(root, folder, spellings) for spellings in twice),
    )


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
