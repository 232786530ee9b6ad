"""Bringing a signed config in: read, verify, plan, and only then activate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from appliance.config.model import Config
from appliance.config.open import check_against_licence, open_config
from appliance.config.plan import Plan, plan
from appliance.config.secrets import SecretLookup, resolve_keys
from appliance.errors import ConfigFrozen, ConfigMissing, LicenceRefused
from appliance.state.site import Site
from appliance.state.standing import judge_site
from licensing.document import Verified
from licensing.ratchet import Arrival, arrive
from media.reader import LIMITS, read_document


@dataclass(frozen=True, slots=True)
class Candidate:
    """A config that could be activated: everything that can be refused has been checked."""

    verified: Verified[Config]
    data: bytes
    plan: Plan
    arrival: Arrival


def examine_config(site: Site, file: Path, secrets: SecretLookup, now: datetime) -> Candidate:
    """Reads and checks a config without changing anything.

    Raises what signatures, YAML, serials, the config's own rules, the licence and missing secrets refuse.
    """
    data = read_document(file, limit=LIMITS["config"])
    trust = site.trust()
    verified, _ = open_config(data, trust, site=site.id)
    config = verified.claims
    arrival = arrive(
        site.floor_of("config"),
        role="config",
        key_epoch=verified.key_epoch,
        serial=config.serial,
        digest=verified.digest,
    )
    standing = judge_site(site, trust, now)
    if standing.licence is None:
        raise LicenceRefused(standing)
    if not standing.terms.config_import:
        raise ConfigFrozen(f"No config can be activated now. {standing.sentence}")
    check_against_licence(config, standing.licence)
    resolve_keys(config.deployments, secrets)
    return Candidate(verified, data, plan(_in_force_or_none(site), config), arrival)


def activate_config(site: Site, candidate: Candidate, now: datetime) -> Arrival:
    """Puts an examined config in force; every worker takes it up with its next request."""
    config = candidate.verified.claims
    return site.accept(candidate.verified, candidate.data, serial=config.serial, issued_at=config.issued_at, now=now)


def config_in_force(site: Site) -> tuple[Config, str]:
    """The active config and its text. Raises ConfigMissing."""
    data = site.document("config")
    if data is None:
        raise ConfigMissing("No config has been imported.")
    verified, text = open_config(data, site.trust(), site=site.id)
    return verified.claims, text


def _in_force_or_none(site: Site) -> Config | None:
    try:
        return config_in_force(site)[0]
    except ConfigMissing:
        return None
