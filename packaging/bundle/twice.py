"""Made twice, the second time from nothing kept: the same bytes, or the names of the files that differ."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from bundle.errors import BundleRefused
from bundle.places import Places
from runtime.cache import sha256_of

Make = Callable[[Path, Places], list[Path]]
"""Makes files below a folder, with what the places have, in the same order each time."""


def made_twice(make: Make, where: Places) -> Mapping[str, str]:
    """The SHA-256 of each file by its name. Raises BundleRefused where the two differ."""
    with tempfile.TemporaryDirectory(prefix="ao-twice-") as folder:
        anew = replace(where, cache=Path(folder) / "cache", runtimes=(*where.runtimes, Path(folder) / "cache/runtime"))
        once, again = make(Path(folder) / "once", where), make(Path(folder) / "again", anew)
        digests = {each.name: sha256_of(each) for each in once}
        differ = [each.name for each in again if sha256_of(each) != digests[each.name]]
    if differ:
        raise BundleRefused(f"Made twice, these differ: {', '.join(differ)}.")
    return digests
