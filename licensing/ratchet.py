"""Serial floors: what was once accepted is never replaced by something older.

A floor is kept per (role, key epoch), so that rotating a role's keys starts afresh and a leaked key that signed a huge
serial cannot lock the repair out. Pure: floors come in, a decision goes out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from licensing.errors import SerialConflict, SerialRefused


@dataclass(frozen=True, slots=True)
class Floor:
    """The highest document accepted for a role in a key epoch."""

    role: str
    key_epoch: int
    serial: int
    digest: str


class Arrival(Enum):
    NEW = "new"
    SAME = "same"


def arrive(floor: Floor | None, *, role: str, key_epoch: int, serial: int, digest: str) -> Arrival:
    """Whether a document may come in. `floor` is the one kept for its role, of whatever epoch.

    Raises SerialRefused for an older serial or key epoch, SerialConflict for the same serial with other bytes.
    """
    if floor is None or key_epoch > floor.key_epoch:
        return Arrival.NEW
    if key_epoch < floor.key_epoch:
        raise SerialRefused(f"The {role} was signed in key epoch {key_epoch}; epoch {floor.key_epoch} is in force.")
    if serial < floor.serial:
        raise SerialRefused(
            f"The {role} has serial {serial}, and serial {floor.serial} has already been accepted (rollback refused)."
        )
    if serial > floor.serial:
        return Arrival.NEW
    if digest != floor.digest:
        raise SerialConflict(f"Another {role} with serial {serial} but other content was accepted before.")
    return Arrival.SAME
