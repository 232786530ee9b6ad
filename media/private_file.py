"""Whether a file or folder with a secret in it is its owner's alone.

`require_private` looks at the name itself, not at what a link of that name leads to, and reads nothing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from licensing.shown import shown
from media.errors import Exposed, NotFound, Unreadable

OTHERS: Final = 0o077
"""Mode bits by which group and others can reach a file."""


def require_private(path: Path, *, what: str) -> None:
    """Raises Exposed for what others can reach, NotFound or Unreadable for what cannot be looked at."""
    where = shown(str(path))
    try:
        facts = path.lstat()
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: a name that holds a NUL
        raise NotFound(f"There is no {what} here.", where=where) from error
    except OSError as error:
        raise Unreadable(f"The {what} cannot be looked at.", where=where) from error
    if facts.st_mode & OTHERS:
        raise Exposed(f"Other users of this host can reach the {what}.", where=where)
    if facts.st_uid not in (0, os.geteuid()):
        raise Exposed(f"The {what} belongs to another user of this host.", where=where)
