"""Bringing a licence in, and showing where the site stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from appliance.access.authorise import Permission
from appliance.config.features import Asked
from appliance.config.in_force import open_config_in_force
from appliance.config.model import Config
from appliance.config.open import missing_features, open_config
from appliance.errors import LicenceRefused
from appliance.operations.needs import needs
from appliance.state.site import Site
from appliance.state.standing import facts_here, judge_site, reported_until
from licensing.clock import witness
from licensing.document import Verified
from licensing.edition import who_has
from licensing.errors import Refusal, SignatureRefused
from licensing.licence import Licence, open_licence
from licensing.ratchet import Arrival, arrive
from licensing.standing import Rung, Standing, judge
from media.naming import naming
from media.reader import LIMITS, read_document

NOT_TO_BE_IMPORTED = frozenset({Rung.EXPIRED, Rung.NOT_YET_VALID, Rung.REVOKED, Rung.WRONG_SITE, Rung.WRONG_EPOCH})
"""Rungs on which a licence would only take away what is there. An untrusted clock is not among them: a genuine licence
is also a witness of time, and a way out."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A licence from a file: what it says, and where the site would stand with it."""

    licence: Licence
    digest: str
    standing: Standing
    arrival: Arrival


@needs(Permission.LICENCE_READ)
def verify_licence(site: Site, file: Path, now: datetime) -> Judged:
    """Judges a licence without importing it. Raises what reading, signatures and serials refuse."""
    data = read_document(file, limit=LIMITS["licence"])
    with naming(file):
        return judge_licence(site, data, now)[0]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A licence that could be put in force: the bytes that were judged, and what would stop working with them."""

    judged: Judged
    verified: Verified[Licence]
    data: bytes
    consequences: tuple[str, ...]


@needs(Permission.LICENCE_READ)
def examine_licence(site: Site, file: Path, now: datetime) -> Candidate:
    """Reads and judges a licence that is to come in, without changing anything.

    Raises LicenceRefused on a rung of NOT_TO_BE_IMPORTED, and what reading, signatures and serials refuse.
    """
    data = read_document(file, limit=LIMITS["licence"])
    with naming(file):
        return examine_licence_bytes(site, data, now)


@needs(Permission.LICENCE_READ)
def examine_licence_bytes(site: Site, data: bytes, now: datetime) -> Candidate:
    """The same for bytes that were read already."""
    judged, verified = judge_licence(site, data, now)
    if judged.standing.rung in NOT_TO_BE_IMPORTED:
        raise LicenceRefused(judged.standing)
    stops = () if judged.arrival is Arrival.SAME else tuple(consequences(site, judged))
    return Candidate(judged, verified, data, stops)


@needs(Permission.LICENCE_WRITE)
def activate_licence(site: Site, candidate: Candidate, now: datetime) -> Judged:
    """Puts an examined licence in force. It is judged once more: between looking and agreeing, things may have changed.

    Raises what examining it raises; then nothing has changed.
    """
    return take_licence(site, candidate.data, now)


@needs(Permission.LICENCE_WRITE)
def import_licence(site: Site, file: Path, now: datetime) -> Judged:
    """Puts a licence in force without asking. Raises what examining it raises; then nothing has changed."""
    return activate_licence(site, examine_licence(site, file, now), now)


@needs(Permission.LICENCE_WRITE)
def take_licence(site: Site, data: bytes, now: datetime) -> Judged:
    """Puts the licence in these bytes in force. Raises LicenceRefused on a rung of NOT_TO_BE_IMPORTED."""
    judged, verified = judge_licence(site, data, now)
    if judged.standing.rung in NOT_TO_BE_IMPORTED:
        raise LicenceRefused(judged.standing)
    site.accept(verified, data, slot="licence", now=now)
    return judged


@needs(Permission.LICENCE_READ)
def consequences(site: Site, judged: Judged) -> list[str]:
    """What would stop working, or work differently, with this licence: a sentence each; none where nothing changes."""
    licence = judged.licence
    found: list[str] = []
    if not judged.standing.terms.serves and judged.standing.rung is not Rung.CLOCK_UNTRUSTED:
        found.append(f"No model calls would be answered. {judged.standing.sentence}")
    before = site.licence(site.trust())
    held = before.claims if isinstance(before, Verified) else None
    if held is not None:
        found += _caps_changed(held, licence)
        if held.config_delegation is not None and licence.config_delegation is None:
            found.append("Your officers could no longer sign configs; the vendor would.")
    found += _config_orphaned(site, licence)
    try:
        config = open_config_in_force(site, site.trust()).verified.claims
    except Refusal:
        return found
    stopped = [alias for alias in config.aliases if not licence.allows_model(alias)]
    found += [f"Model {alias!r} would be refused: the licence does not cover it." for alias in stopped]
    for asked in missing_features(config, licence):
        found.append(f"{_what_asks(config, asked)} would stop: {asked.title} needs {who_has(asked.feature)}.")
    return found


def _what_asks(config: Config, asked: Asked) -> str:
    section = asked.path[0]
    if section == "models" and len(asked.path) > 1:
        return f"A deployment of {config.deployments[int(asked.path[1])].alias!r}"
    return f"What the config says under {section!r}"


def _config_orphaned(site: Site, licence: Licence) -> list[str]:
    data = site.document("config")
    if data is None:
        return []
    try:
        open_config(data, site.trust(), site=site.id, delegation=licence.config_delegation)
    except SignatureRefused:
        return ["The config in force would stop: those who signed it could not sign under this licence."]
    except Refusal:
        return []
    return []


def _caps_changed(before: Licence, after: Licence) -> list[str]:
    caps = (("requests", before.caps.rpm, after.caps.rpm), ("tokens", before.caps.tpm, after.caps.tpm))
    return [
        f"The cap would fall from {old or 'unlimited'} to {new} {what} a minute."
        for what, old, new in caps
        if new is not None and (old is None or new < old)
    ]


@needs(Permission.LICENCE_READ)
def standing(site: Site, now: datetime) -> Standing:
    """Where the site stands now."""
    return judge_site(site, site.trust(), now)


@needs(Permission.LICENCE_READ)
def judge_licence(site: Site, data: bytes, now: datetime) -> tuple[Judged, Verified[Licence]]:
    """What this site would say of a licence: who signed it, whom it is for, where it would stand, how it arrives."""
    trust = site.trust()
    verified = open_licence(data, trust)
    licence = verified.claims
    would_stand = judge(
        licence=verified,
        trust=trust,
        now=now,
        floor=witness(site.time_floor(), licence.issued_at, "this licence"),
        site=facts_here(site),
        reported_until=reported_until(site),
    )
    # Serials are counted per site: those of another site's licence say nothing here.
    if would_stand.rung in {Rung.WRONG_SITE, Rung.WRONG_EPOCH}:
        return Judged(licence, verified.digest, would_stand, Arrival.NEW), verified
    arrival = arrive(
        site.floor_of("licence"),
        role="licence",
        key_epoch=verified.key_epoch,
        serial=licence.serial,
        digest=verified.digest,
    )
    if not site.has_in_force("licence", verified, data):
        arrival = Arrival.NEW
    return Judged(licence, verified.digest, would_stand, arrival), verified
