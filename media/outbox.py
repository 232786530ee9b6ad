"""Documents onto a medium, beneath its root: each durable and read back before the next, the index last.

What is there already with the same bytes is left as it is; what is there with other bytes is not ours to replace,
unless it is a kind of file that is written anew each time. A name that is taken costs that file alone; a medium that
fails ends the writing. The index names only what was read back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from media.beneath import Beneath
from media.errors import AlreadyThere, MediaError, NotARegularFile
from media.layout import INDEX, README, TOP, Direction, folder_of, index, readme
from media.progress import Progress, untold
from media.reader import LIMITS
from media.writer import Written, refusing, sweep, write_in


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A file to be written. `fresh`: made anew for each carrying, so that an older one of its name is replaced."""

    name: str
    data: bytes
    fresh: bool = False
    serial: int | None = None


@dataclass(frozen=True, slots=True)
class Put:
    """What came of it: `written` is whole and on the medium; `failure` is the first reason why more is not."""

    written: tuple[Written, ...] = ()
    failure: MediaError | None = None
    serials: Mapping[str, int | None] = field(default_factory=dict)

    def complete(self) -> tuple[Written, ...]:
        """Everything that was to be written. Raises MediaError where not all of it is."""
        if self.failure is not None:
            raise self.failure
        return self.written


def put(
    root: Beneath, direction: Direction, site: str, files: Iterable[Outgoing], *, progress: Progress = untold
) -> Put:
    """Writes the files into this site's folder."""
    outgoing = list(files)
    parts = folder_of(direction, site)
    written: list[Written] = []
    failure: MediaError | None = None
    try:
        with _prepared(root, parts, site) as folder:
            for number, each in enumerate(outgoing):
                progress(number, len(outgoing), each.name)
                path = root.path.joinpath(*parts, each.name)
                try:
                    written.append(write_in(folder, path, each.data, replace=each.fresh))
                except (AlreadyThere, NotARegularFile) as taken:
                    failure = failure or taken
            write_in(folder, root.path.joinpath(*parts, INDEX), _index(root, parts, written), replace=True)
        root.flush()
    except MediaError as failed:
        failure = failed
    return Put(tuple(written), failure, {each.name: each.serial for each in outgoing})


@contextmanager
def _prepared(root: Beneath, parts: tuple[str, ...], site: str) -> Iterator[int]:
    """The open folder, with those above it, the README, and nothing that a cut-off run has left."""
    with refusing("make the folder", root.where(parts)):
        root.make_folder(parts)
    with root.folder((TOP,)) as top:
        sweep(top)
        write_in(top, root.path / TOP / README, readme(site), replace=True)
    with root.folder(parts) as folder:
        sweep(folder)
        yield folder


def _index(root: Beneath, parts: tuple[str, ...], written: list[Written]) -> bytes:
    there = set(root.names(parts))
    digests = {name: digest for name, digest in _listed(root, parts).items() if name in there}
    digests |= {each.path.name: each.sha256 for each in written}
    return index(digests)


def _listed(root: Beneath, parts: tuple[str, ...]) -> dict[str, str]:
    """What the index said before; anything odd in it is left out, since nobody relies on it."""
    try:
        text = root.read((*parts, INDEX), limit=LIMITS["index"]).decode("ascii")
    except (MediaError, UnicodeDecodeError):
        return {}
    lines = [line.partition("  ") for line in text.splitlines()]
    return {
        Path(name).name: f"sha256:{digest}"
        for digest, _, name in lines
        if len(digest) == 64 and set(digest) <= set("0123456789abcdef") and name.isascii() and name.isprintable()
    }
