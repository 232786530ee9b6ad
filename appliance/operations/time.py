"""Repairing a time floor that a clock gone wild has poisoned: the one act that may lower it.

It may lower it below the date of a document in force, because such a document, dated far ahead, may be what poisoned
the floor. That is never passed over: each such document is named.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from appliance.access.authorise import Permission
from appliance.config.in_force import open_config_in_force
from appliance.operations.needs import needs
from appliance.state.site import CHALLENGE_BYTES, Site
from licensing.clock import TimeFloor, repair
from licensing.document import Verified
from licensing.errors import Refusal, WrongAudience
from licensing.time_token import open_time_token
from media.naming import naming
from media.reader import LIMITS, read_document


@dataclass(frozen=True, slots=True)
class Ahead:
    """A document in force that is dated later than the hour that the vendor vouches for."""

    slot: str
    serial: int
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class Repaired:
    """The floor before and after a token, and what contradicts it."""

    before: TimeFloor
    floor: TimeFloor
    ahead: tuple[Ahead, ...]


@needs(Permission.TRUST_WRITE)
def import_time_token(site: Site, file: Path, *, now: datetime, entropy: bytes) -> Repaired:
    """Sets the floor to the hour that the vendor vouches for; the token is used up by it.

    Raises WrongAudience for another site's, an old or a used token, SerialRefused, and what signatures refuse.
    """
    data = read_document(file, limit=LIMITS["time"])
    with naming(file):
        return take_time_token(site, data, now=now, entropy=entropy)


@needs(Permission.TRUST_WRITE)
def take_time_token(site: Site, data: bytes, *, now: datetime, entropy: bytes) -> Repaired:
    """The same for bytes that were read already."""
    if len(entropy) != CHALLENGE_BYTES:
        raise ValueError(f"{CHALLENGE_BYTES} bytes of entropy are needed")
    verified = open_time_token(data, site.trust(), site=site.id, epoch=site.epoch, challenge=site.challenge)
    known = site.floor_of("time")
    if known is not None and known.digest == verified.digest:
        raise WrongAudience(
            "The time token was used before.",
            remedy="Carry a fresh site request (ao site request) to the vendor and ask for a new token.",
        )
    before, floor = site.time_floor(), repair(verified.claims.issued_at)
    site.accept(
        verified,
        data,
        slot="time",
        now=now,
        before_commit=lambda: site.put_repaired_floor(floor, entropy.hex()),
    )
    return Repaired(before, floor, documents_ahead(site, floor.at))


@needs(Permission.TRUST_READ)
def documents_ahead(site: Site, moment: datetime) -> tuple[Ahead, ...]:
    """The documents in force whose date is later than this moment: they or it are wrong."""
    trust = site.trust()
    dated: list[tuple[str, int, datetime]] = [("trust", trust.serial, trust.issued_at)]
    licence = site.licence(trust)
    if isinstance(licence, Verified):
        dated.append(("licence", licence.claims.serial, licence.claims.issued_at))
    with suppress(Refusal):
        config = open_config_in_force(site, trust).verified.claims
        dated.append(("config", config.serial, config.issued_at))
    return tuple(Ahead(*each) for each in dated if each[2] > moment)
