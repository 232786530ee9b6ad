"""Following the vendor's trust from version to version, each step verified, none skipped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from appliance.access.authorise import Permission
from appliance.operations.needs import needs
from appliance.state.site import Site
from licensing.algorithms import digest
from licensing.envelope import parse
from licensing.ratchet import Arrival
from licensing.trust import Trust, advance, claimed_version
from media.naming import naming
from media.reader import LIMITS, read_document


@dataclass(frozen=True, slots=True)
class Step:
    """One version taken in, or found to be known already."""

    version: int
    digest: str
    arrival: Arrival


@needs(Permission.TRUST_READ)
def trust_in_force(site: Site) -> Trust:
    """Whose signatures this site believes now. Raises StateDamaged."""
    return site.trust()


@needs(Permission.TRUST_WRITE)
def import_trust(site: Site, files: list[Path], now: datetime) -> list[Step]:
    """Takes in trust documents in the order of their versions.

    Raises SerialRefused for a gap, a fork or a way back, and what signatures refuse; the versions before the refused
    one stay in force.
    """
    documents = [(file, read_document(file, limit=LIMITS["trust"])) for file in files]
    in_order = sorted(documents, key=lambda each: _version_in(*each))
    return [_take(site, file, data, now) for file, data in in_order]


def _version_in(file: Path, data: bytes) -> int:
    with naming(file):
        return claimed_version(data)


def _take(site: Site, file: Path, data: bytes, now: datetime) -> Step:
    with naming(file):
        return take_trust(site, data, now)


@needs(Permission.TRUST_WRITE)
def take_trust(site: Site, data: bytes, now: datetime) -> Step:
    """The next version, or one that is known already, in bytes that were read before."""
    found = examine_trust(site, data)
    if found.arrival is Arrival.SAME:
        return found
    verified = advance(site.trust(), data)
    arrival = site.accept(verified, data, slot="trust", now=now)
    return Step(verified.claims.serial, verified.digest, arrival)


@needs(Permission.TRUST_READ)
def examine_trust(site: Site, data: bytes) -> Step:
    """Which version it would be, its signatures checked; nothing is changed."""
    known = _known(site, data)
    if known is not None:
        return known
    verified = advance(site.trust(), data)
    return Step(verified.claims.serial, verified.digest, Arrival.NEW)


def _known(site: Site, data: bytes) -> Step | None:
    """A version that was taken in before, brought along again: the very same body."""
    body_digest = digest(parse(data).body)
    row = site.database.execute(
        "SELECT serial FROM documents WHERE role = 'root' AND digest = ?", (body_digest,)
    ).fetchone()
    return Step(int(row["serial"]), body_digest, Arrival.SAME) if row else None
