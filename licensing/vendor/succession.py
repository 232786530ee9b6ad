"""How the first file of an epoch follows on what the site reported before: after a restore, or from nothing.

Promise: pure. The file itself was found in order already; this says only what became of the epochs before it, with the
numbers that a person needs to ask the site for the rest. A restored site that re-seals what its lost state had sealed
already is told apart from one that lost nothing. Nothing here refuses: the desk let this epoch in when it enrolled it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from licensing.document import format_time
from licensing.usage import Counts, Predecessor, Usage
from licensing.vendor.findings import Chain, Verdict


def judge_first(usage: Usage, enrolment: int, chains: Iterable[Chain]) -> tuple[Verdict, str]:
    """The verdict on file 1 of a chain that holds in itself, given all chains of its site."""
    others = [chain for chain in chains if chain.enrolment != enrolment and chain.head is not None]
    earlier = [chain for chain in others if chain.epoch <= usage.epoch]
    if usage.predecessor is not None:
        return _after(usage, usage.predecessor, _named(usage.predecessor, earlier))
    if not earlier:
        return Verdict.ACCEPTED, "File 1 follows on and adds up."
    last = max(earlier, key=lambda chain: (chain.epoch, chain.last))
    until = format_time(last.head.period.end) if last.head else ""
    return (
        Verdict.NEW_STATE,
        f"It names no predecessor: the site's state was made anew. The last file accepted before is {last.last} of "
        f"epoch {last.epoch}, until {until}; what was counted between then and {format_time(usage.period.start)} is in "
        "no file that came here.",
    )


def _named(predecessor: Predecessor, chains: Iterable[Chain]) -> Chain | None:
    """What was accepted of the predecessor's epoch, under whatever keys; of two contents of its last file, its own."""
    of_epoch = [chain for chain in chains if chain.epoch == predecessor.epoch]
    if not of_epoch:
        return None
    accepted: dict[int, str] = {}
    for chain in sorted(of_epoch, key=lambda chain: chain.accepted.get(predecessor.seq) == predecessor.head):
        accepted |= chain.accepted
    return replace(max(of_epoch, key=lambda chain: chain.last), accepted=accepted)


def _after(usage: Usage, named: Predecessor, before: Chain | None) -> tuple[Verdict, str]:
    came_from = f"It follows a restored backup of epoch {named.epoch} that ended with {_file(named)}"
    if before is None or before.head is None:
        missing = f", and {_files(1, named.seq)} of that epoch never came" if named.seq else ""
        return Verdict.NEW_EPOCH, f"{came_from}{missing}."
    known = before.accepted.get(named.seq)
    if named.seq and known is not None and known != named.head:
        return (
            Verdict.RESTORED,
            f"{came_from}; file {named.seq} as it was accepted is {known[:19]}…: that number was sealed twice, with "
            f"other content.{_time_between(usage, before)}",
        )
    if before.last > named.seq:
        after = _requests(before.head.registers) - _requests(named.registers)
        counted = f" with {after} requests" if named.registers or not named.seq else ""
        return (
            Verdict.RESTORED,
            f"{came_from}; {_files(named.seq + 1, before.last)} of that epoch{counted} had been accepted and are not "
            f"in the restored state.{_time_between(usage, before)}",
        )
    if before.last < named.seq:
        short = _requests(named.registers) - _requests(before.head.registers)
        counted = f"; by the closing registers they hold {short} requests" if named.registers else ""
        return (
            Verdict.NEW_EPOCH,
            f"{came_from}, and {_files(before.last + 1, named.seq)} of that epoch have not come{counted}.",
        )
    if named.registers and dict(named.registers) != dict(before.head.registers):
        return (
            Verdict.RESTORED,
            f"{came_from}, and the closing registers that it states are not those of that file.",
        )
    return Verdict.NEW_EPOCH, f"{came_from}, the last accepted there.{_time_between(usage, before)}"


def _time_between(usage: Usage, before: Chain) -> str:
    """Entries that a backup held unsealed, and that the lost state sealed, can be in files of both epochs; what the
    lost state counted after its last delivery is in none."""
    ended, begun = before.head.period.end if before.head else usage.period.start, usage.period.start
    if ended > begun:
        return (
            f" Both epochs report on {format_time(begun)} to {format_time(ended)}: exchanges of that time may be "
            "counted twice."
        )
    if ended < begun:
        return f" No file covers {format_time(ended)} to {format_time(begun)}."
    return " No time is missing between them."


def _requests(registers: Mapping[str, Counts]) -> int:
    return sum(counts.requests for counts in registers.values())


def _file(named: Predecessor) -> str:
    return f"file {named.seq} ({named.head[:19]}…)" if named.head else "no file at all"


def _files(first: int, last: int) -> str:
    return f"file {first}" if first == last else f"files {first} to {last}"
