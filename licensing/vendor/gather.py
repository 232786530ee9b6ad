"""Which files of a folder are usage files, wherever in it they lie: a medium's own layout, or a heap of copies.

Follows no link into another folder and opens nothing: whether a name is a readable file, and what it says, is found out
by those who read it. The order does not depend on the filesystem.
"""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

PATTERN: Final = "usage-*.signed.json"


def usage_files_in(folder: Path) -> list[Path]:
    """Every `usage-….signed.json` below this folder, in upper or lower case, sorted by path."""
    found = [
        Path(place) / name
        for place, _, names in os.walk(folder, followlinks=False)
        for name in names
        if fnmatchcase(name.lower(), PATTERN)
    ]
    return sorted(found)
