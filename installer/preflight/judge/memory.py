"""Memory, and how many files may be open (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from installer.preflight.facts import Memory
from installer.preflight.findings import Finding, failed, passed, warned

MIB: Final = 2**20
TOTAL: Final = (512 * MIB, 2048 * MIB)
"""A worker has 130 MiB, the processes beside it as much again; importing a large usage file takes more for a moment."""
AVAILABLE: Final = 256 * MIB
FILES: Final = (4_096, 65_536)
"""A thousand streams of one worker hold two sockets each."""


def judge(memory: Memory) -> Iterator[Finding]:
    yield _memory(memory)
    yield _files(memory.file_limit)


def _memory(memory: Memory) -> Finding:
    if memory.total is None:
        return warned("memory", "This host does not say how much it has.", "See that it has 2 GiB or more.")
    least, good = TOTAL
    free = "" if memory.available is None else f", {memory.available // MIB} MiB of it free"
    seen = f"{memory.total // MIB} MiB{free}."
    if memory.total < least:
        return failed("memory", seen, f"Give this host {least // MIB} MiB at the least, better {good // MIB}.")
    if memory.total < good:
        return warned("memory", seen, f"Enough for one worker; give it {good // MIB} MiB for more.")
    if memory.available is not None and memory.available < AVAILABLE:
        return warned("memory", seen, "Other programs use nearly all of it: see `ps aux --sort=-rss`.")
    return passed("memory", seen)


def _files(limit: int | None) -> Finding:
    if limit is None:
        return warned("open_files", "The limit cannot be read.", "See that `sysctl fs.nr_open` is 65536 or more.")
    least, good = FILES
    seen = f"A process may hold up to {limit}."
    if limit < least:
        return failed("open_files", seen, f"Raise it: sysctl -w fs.nr_open={good * 16} fs.file-max={good * 16}.")
    if limit < good:
        return warned(
            "open_files", seen, f"Raise it for a thousand streams and more: sysctl -w fs.nr_open={good * 16}."
        )
    return passed("open_files", seen)
