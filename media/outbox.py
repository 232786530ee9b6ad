"""Documents onto a medium, beneath its root: each durable and read back before the next, the index last.

What is there already with the same bytes is left as it is; what is there with other bytes is not ours to replace,
unless it is a kind of file that is written anew each time. The index names only what was read back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from media.beneath import Beneath
from media.errors import MediaError
from media.layout import INDEX, README, TOP, Direction, folder_of, index, readme
from media.reader import LIMITS
from media.writer import Written, refusing, sweep, write_in


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A file to be written. `fresh`: made anew for each carrying, so that an older one of its name is replaced."""

    name: str
    data: bytes
    fresh: bool = False


Progress = Callable[[int, int, str], None]
"""Told before each file: how many are done, how many there are, the name of the next."""


def put(
    root: Beneath,
    direction: Direction,
    site: str,
    files: Iterable[Outgoing],
    *,
    progress: Progress = lambda _done, _all, _name: None,
) -> list[Written]:
    """Writes the files into this site's folder. Raises MediaError; what was written before it stays, whole."""
    outgoing = list(files)
    parts = folder_of(direction, site)
    with refusing("make the folder", root.where(parts)):
        root.make_folder(parts)
    with root.folder((TOP,)) as top:
        sweep(top)
        write_in(top, root.path / TOP / README, readme(site), replace=True)
    written: list[Written] = []
    with root.folder(parts) as folder:
        sweep(folder)
        for number, each in enumerate(outgoing):
            progress(number, len(outgoing), each.name)
            path = root.path.joinpath(*parts, each.name)
            written.append(write_in(folder, path, each.data, replace=each.fresh))
        write_in(folder, root.path.joinpath(*parts, INDEX), _index(root, parts, written), replace=True)
    return written


def _index(root: Beneath, parts: tuple[str, ...], written: list[Written]) -> bytes:
    digests = {name: digest for name, digest in _listed(root, parts).items() if name in root.names(parts)}
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
