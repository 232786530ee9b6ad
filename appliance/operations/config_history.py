"""Which configs were in force when, and going back to one of them.

What can be gone back to: a config that was in force on this site, under the key epoch that its role has now. Its
signers must still be trusted, it must still be for this site and within the licence, and its serial not below what the
newest config allows (`rollback: {not_below: …}`), which is how officers make a repair final. The ratchet stays where it
is: no older document that arrives on a medium is let in because of it, and importing the newest again puts it in force.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from appliance.access.authorise import Permission
from appliance.config.model import Config
from appliance.config.open import DELEGATED_ROLE, VENDOR_ROLE, open_config
from appliance.config.secrets import SecretLookup
from appliance.errors import RollbackRefused, StateDamaged
from appliance.operations.config import Candidate, check_candidate
from appliance.operations.needs import needs
from appliance.state.site import Site
from licensing.document import Verified
from licensing.errors import Refusal, SignatureRefused
from licensing.ratchet import Floor


@dataclass(frozen=True, slots=True)
class Activation:
    """One time that a config was put in force; `until` is None for the one in force now."""

    at: str
    until: str | None
    how: str
    who: str
    floor: Floor


@dataclass(frozen=True, slots=True)
class Way:
    """A config that can be gone back to, and what that would change."""

    former: Floor
    candidate: Candidate


@needs(Permission.CONFIG_READ)
def history(site: Site) -> list[Activation]:
    """Every activation, the newest first."""
    rows = site.database.execute("SELECT * FROM config_history ORDER BY number DESC").fetchall()
    untils = [None, *(row["at"] for row in rows)]
    return [
        Activation(
            row["at"],
            until,
            row["how"],
            row["who"],
            Floor(row["role"], row["key_epoch"], row["serial"], row["digest"]),
        )
        for row, until in zip(rows, untils, strict=False)
    ]


@needs(Permission.CONFIG_READ)
def find_way_back(site: Site, serial: int | None, secrets: SecretLookup, now: datetime) -> Way:
    """The way to the config that was in force before, or to the one with this serial.

    Raises RollbackRefused, and whatever importing that config now would refuse but for its serial.
    """
    former = _former(site, serial)
    _require_within_ratchet(site, former)
    data = site.document_of(former)
    if data is None:
        raise RollbackRefused(f"Config {former.serial} was in force, and is not kept any more.")
    try:
        candidate = check_candidate(site, data, secrets, now)
    except SignatureRefused as refusal:
        raise RollbackRefused(
            f"Config {former.serial} was signed by keys that may not sign configs any more. {refusal.message}"
        ) from refusal
    _require_is(candidate.verified, former)
    return Way(former, candidate)


@needs(Permission.CONFIG_WRITE)
def go_back(site: Site, way: Way, now: datetime) -> None:
    """Puts it in force, checked once more while nothing else can change."""

    def check() -> None:
        _require_within_ratchet(site, way.former)
        _require_is(check_candidate(site, way.candidate.data, way.candidate.secrets, now).verified, way.former)

    site.put_back_config(way.former, now, before_commit=check)


def _former(site: Site, serial: int | None) -> Floor:
    held = site.in_force("config")
    known = list(dict.fromkeys(each.floor for each in history(site) if each.floor != held))
    if serial is not None:
        known = [each for each in known if each.serial == serial]
        if held is not None and held.serial == serial and not known:
            raise RollbackRefused(f"Config {serial} is the one in force.")
    if not known:
        which = "No other config" if serial is None else f"No config with serial {serial}"
        raise RollbackRefused(f"{which} was ever in force on this site.")
    return known[0]


def _require_within_ratchet(site: Site, former: Floor) -> None:
    trust = site.trust()
    licence = site.licence(trust)
    delegation = licence.claims.config_delegation if isinstance(licence, Verified) else None
    role, epoch = (DELEGATED_ROLE, delegation.epoch) if delegation else (VENDOR_ROLE, trust.key_epoch("config"))
    if (former.role, former.key_epoch) != (role, epoch):
        raise RollbackRefused(
            f"Config {former.serial} is of another key epoch ({former.role} {former.key_epoch}; now {role} {epoch}): "
            "its keys were replaced, and nothing signed by them comes back."
        )
    newest = site.floor_of(role) or former
    data = site.document_of(newest)
    if data is None:
        raise RollbackRefused(f"Config {newest.serial}, the newest here, is gone, so what it allows is unknown.")
    try:
        opened = open_config(data, trust, site=site.id, delegation=delegation).verified
        _require_is(opened, newest)
        allowed = opened.claims.handling.not_below
    except Refusal as refusal:
        raise RollbackRefused(
            f"Config {newest.serial}, the newest here, cannot be read, so what it allows is unknown. {refusal.message}",
            remedy="Import a newer config.",
        ) from refusal
    if former.serial < allowed:
        raise RollbackRefused(
            f"Config {newest.serial}, the newest that this site has seen, allows no way back below serial {allowed}."
        )


def _require_is(verified: Verified[Config], floor: Floor) -> None:
    """The bytes are those of the document that the database names: it is edited more easily than a signature."""
    found = Floor(verified.role, verified.key_epoch, verified.claims.serial, verified.digest)
    if found != floor:
        raise StateDamaged(f"What is stored as config {floor.serial} is another config, {found.serial}.")
