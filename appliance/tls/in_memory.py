"""A file that lies nowhere but in this process's memory, for libraries that take certificates and keys by path alone.

Promise: it cannot be changed once it is made (sealed), and goes when the processes that hold it end.
"""

from __future__ import annotations

import fcntl
import os


def file_in_memory(name: str, content: bytes) -> int:
    """A descriptor; `path_of` gives the path under which this process and those that it forks read it, each anew."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with os.fdopen(os.dup(descriptor), "wb") as writer:
        writer.write(content)
    seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


def path_of(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"
