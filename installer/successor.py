"""Whether one release may follow another: versions, machine, schemas of the state. Pure.

Promise: a version is never guessed at; going down is refused here, and goes only by the release before (`ao rollback`),
whose state must be one that the running release says can be returned to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from installer.errors import UpgradeRefused

_PARTS = re.compile(r"(\d+)\.(\d+)\.(\d+)(.*)")
_PIECES = re.compile(r"(\D*)(\d*)")


@dataclass(frozen=True, slots=True)
class Schemas:
    """What a release says of the state: the schema it writes, and the oldest that a state of it can return to."""

    newest: int
    returns_to: int


@dataclass(frozen=True, slots=True)
class Offered:
    """What a release that is not here yet says of itself: `newest` is the schema of the state that it writes."""

    version: str
    upgrades_from: str
    newest: int


def order(version: str) -> tuple[int, int, int, bool, tuple[tuple[str, int], ...]]:
    """By numbers, also within a suffix (rc9 before rc10); one with a suffix comes before the one without."""
    found = _PARTS.fullmatch(version)
    if found is None:
        raise UpgradeRefused(f"{version} is no version.")
    major, minor, patch, suffix = found.groups()
    pieces = tuple((text, int(number or 0)) for text, number in _PIECES.findall(suffix) if text or number)
    return int(major), int(minor), int(patch), not suffix, pieces


def require_upgrade(installed: str, version: str, upgrades_from: str) -> None:
    """Raises UpgradeRefused."""
    if order(version) == order(installed):
        raise UpgradeRefused(f"Release {version} is installed already.", remedy="There is nothing to do.")
    if order(version) < order(installed):
        raise UpgradeRefused(
            f"Release {version} is older than {installed}, which is installed; an upgrade never goes down.",
            remedy="To go back to the release before: ao rollback.",
        )
    if order(installed) < order(upgrades_from):
        raise UpgradeRefused(
            f"Release {version} can follow {upgrades_from} or newer; {installed} is installed.",
            remedy=f"Upgrade to {upgrades_from} first, then to {version}.",
        )


def require_older(installed: str, version: str) -> None:
    """Raises UpgradeRefused."""
    if order(version) >= order(installed):
        raise UpgradeRefused(f"Release {version} is not older than {installed}, which is installed.")


def require_schema_forward(of_state: int | None, release: str, newest: int) -> None:
    """Raises UpgradeRefused for a release that is newer by its version and older by its schema."""
    if of_state is not None and of_state > newest:
        raise UpgradeRefused(
            f"The state has schema {of_state}; release {release} knows no more than {newest} and could not read it."
        )


def require_way_back(of_state: int | None, running: Schemas, release: str, newest: int) -> None:
    """Raises UpgradeRefused where the state cannot become one of an older release without losing what it means."""
    if of_state is not None and of_state > newest and running.returns_to > newest:
        raise UpgradeRefused(
            f"The state has schema {of_state}, and what has changed since schema {newest} cannot be told to release "
            f"{release}: the oldest schema that it can return to is {running.returns_to}.",
            remedy="Stay with the running release. The state as it was before the upgrade is kept in "
            "/var/lib/ao/snapshots; going back to it by hand loses what has been recorded since.",
        )


def require_may_come(installed: str, running: Schemas, of_state: int | None, offered: Offered) -> None:
    """For one who may go either way, as a package manager may: up, down, or the same again. Raises UpgradeRefused."""
    if order(offered.version) > order(installed):
        require_upgrade(installed, offered.version, offered.upgrades_from)
        require_schema_forward(of_state, offered.version, offered.newest)
    elif order(offered.version) < order(installed):
        require_way_back(of_state, running, offered.version, offered.newest)
