"""Repairing a time floor that a clock gone wild has poisoned: the one act that may lower it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from appliance.state.site import CHALLENGE_BYTES, Site
from licensing.clock import TimeFloor, repair
from licensing.errors import WrongAudience
from licensing.time_token import open_time_token
from media.reader import LIMITS, read_document


def import_time_token(site: Site, file: Path, *, now: datetime, entropy: bytes) -> TimeFloor:
    """Sets the floor to the hour that the vendor vouches for; the token is used up by it.

    Raises WrongAudience for another site's, an old or a used token, SerialRefused, and what signatures refuse.
    """
    return take_time_token(site, read_document(file, limit=LIMITS["time"]), now=now, entropy=entropy)


def take_time_token(site: Site, data: bytes, *, now: datetime, entropy: bytes) -> TimeFloor:
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
    floor = repair(verified.claims.issued_at)
    site.accept(
        verified,
        data,
        slot="time",
        now=now,
        before_commit=lambda: site.put_repaired_floor(floor, entropy.hex()),
    )
    return floor
