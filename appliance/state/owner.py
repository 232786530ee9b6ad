"""What root made in a state folder belongs to the folder's owner, who serves from it.

Promise: only plain files with one name, and folders, that belong to root and lie in the folder itself are handed over,
each through a descriptor that follows no link; nothing elsewhere can be reached this way.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

_DEPTH = 3


def leave_to_owner(folder: Path) -> None:
    """Harmless for anybody but root, and where the folder is root's own. What cannot be handed over stays root's."""
    if os.geteuid() != 0:
        return
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            owner = os.fstat(descriptor)
            if owner.st_uid != 0:
                _hand_over(descriptor, owner.st_uid, owner.st_gid, _DEPTH)
        finally:
            os.close(descriptor)


def _hand_over(folder: int, user: int, group: int, depth: int) -> None:
    for name in os.listdir(folder):
        with suppress(OSError):
            each = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
            try:
                found = os.fstat(each)
                is_file = stat.S_ISREG(found.st_mode) and found.st_nlink == 1
                if found.st_uid == 0 and (is_file or stat.S_ISDIR(found.st_mode)):
                    os.fchown(each, user, group)
                if stat.S_ISDIR(found.st_mode) and depth:
                    _hand_over(each, user, group, depth - 1)
            finally:
                os.close(each)
