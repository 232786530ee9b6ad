"""Bringing a signed config in: read, verify, plan, and only then activate."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from appliance.config.in_force import open_config_in_force
from appliance.config.model import Config
from appliance.config.open import check_against_licence, open_config
from appliance.config.plan import Plan, plan
from appliance.config.secrets import SecretLookup, resolve_keys
from appliance.errors import ConfigFrozen, LicenceRefused
from appliance.state.site import Site
from appliance.state.standing import judge_site
from licensing.document import Verified
from licensing.errors import Refusal
from licensing.ratchet import Arrival, arrive
from media.naming import naming
from media.reader import LIMITS, read_document


@dataclass(frozen=True, slots=True)
class Candidate:
    """A config that could be activated: everything that can be refused has been checked."""

    verified: Verified[Config]
    data: bytes
    plan: Plan
    arrival: Arrival
    secrets: SecretLookup = field(repr=False)


def examine_config(site: Site, file: Path, secrets: SecretLookup, now: datetime) -> Candidate:
    """Reads and checks a config without changing anything.

    Raises what signatures, YAML, serials, the config's own rules, the licence and missing secrets refuse.
    """
    data = read_document(file, limit=LIMITS["config"])
    with naming(file):
        return examine_bytes(site, data, secrets, now)


def examine_bytes(site: Site, data: bytes, secrets: SecretLookup, now: datetime) -> Candidate:
    """The same for bytes that were read already."""
    trust = site.trust()
    standing = judge_site(site, trust, now)
    delegation = standing.licence.config_delegation if standing.licence else None
    opened = open_config(data, trust, site=site.id, delegation=delegation, arriving=True)
    verified, config = opened.verified, opened.verified.claims
    arrival = arrive(
        site.floor_of(verified.role),
        role=verified.role,
        key_epoch=verified.key_epoch,
        serial=config.serial,
        digest=verified.digest,
    )
    if standing.licence is None:
        raise LicenceRefused(standing)
    if not standing.terms.config_import:
        raise ConfigFrozen(f"No config can be activated now. {standing.sentence}")
    check_against_licence(config, opened.document, standing.licence)
    resolve_keys(config.deployments, secrets)
    if not site.has_in_force("config", verified, data):
        arrival = Arrival.NEW
    return Candidate(verified, data, plan(_in_force_or_none(site), config), arrival, secrets)


def activate_config(site: Site, candidate: Candidate, now: datetime) -> Arrival:
    """Puts an examined config in force; every worker takes it up with its next request.

    It is examined once more while nothing else can change: between looking and agreeing, trust or licence may have.
    """
    site.accept(
        candidate.verified,
        candidate.data,
        slot="config",
        now=now,
        before_commit=lambda: _examine_again(site, candidate, now),
    )
    return candidate.arrival


def _examine_again(site: Site, candidate: Candidate, now: datetime) -> None:
    if examine_bytes(site, candidate.data, candidate.secrets, now).verified != candidate.verified:
        raise ConfigFrozen("Who may sign configs has changed since this one was looked at; look again.")


def config_in_force(site: Site) -> tuple[Config, str]:
    """The active config and its text, verified again. Raises ConfigMissing, and what opening it refuses."""
    opened = open_config_in_force(site, site.trust())
    return opened.verified.claims, opened.text


def _in_force_or_none(site: Site) -> Config | None:
    """None also where what is in force can no longer be believed: a fresh config must be able to heal that."""
    try:
        return config_in_force(site)[0]
    except Refusal:
        return None
