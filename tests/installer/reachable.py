"""Places that the site's own user gets to: every folder above lets it pass."""

from __future__ import annotations

import tempfile
from pathlib import Path


def reachable(folder: Path) -> Path:
    """The folder, with every folder above it below the place for temporary files open to be passed through."""
    top = Path(tempfile.gettempdir()).resolve()
    for each in (folder, *folder.resolve().parents):
        if each == top or not each.is_relative_to(top):
            break
        each.chmod(0o755)
    return folder
