"""Bringing a signed config in: read, verify, plan, and only then activate."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from appliance.access.authorise import Permission
from appliance.config.in_force import open_config_in_force
from appliance.config.model import Config
from appliance.config.open import OpenedConfig, check_against_licence, open_config
from appliance.config.plan import Plan, plan
from appliance.config.sealed import is_clear
from appliance.config.secrets import SecretLookup, resolve_keys, resolve_webhook
from appliance.errors import ConfigFrozen, ConfigRefused, LicenceRefused, SealRefused, SecretMissing
from appliance.operations.needs import needs
from appliance.state.site import Site
from appliance.state.standing import judge_site
from licensing.document import Verified
from licensing.errors import Refusal
from licensing.ratchet import Arrival, arrive
from licensing.standing import Standing
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


@needs(Permission.CONFIG_READ)
def examine_config(site: Site, file: Path, secrets: SecretLookup, now: datetime) -> Candidate:
    """Reads and checks a config without changing anything.

    Raises what signatures, YAML, serials, the config's own rules, the licence and missing secrets refuse.
    """
    data = read_document(file, limit=LIMITS["config"])
    with naming(file):
        return examine_bytes(site, data, secrets, now)


@needs(Permission.CONFIG_READ)
def examine_bytes(site: Site, data: bytes, secrets: SecretLookup, now: datetime) -> Candidate:
    """The same for bytes that were read already."""
    opened, standing = _opened(site, data, now)
    verified, config = opened.verified, opened.verified.claims
    arrival = arrive(
        site.floor_of(verified.role),
        role=verified.role,
        key_epoch=verified.key_epoch,
        serial=config.serial,
        digest=verified.digest,
    )
    if not site.has_in_force("config", verified, data):
        arrival = Arrival.NEW
    return _checked(site, opened, standing, data, secrets, arrival)


@needs(Permission.CONFIG_READ)
def compare_config(site: Site, file: Path, now: datetime) -> Plan:
    """What a config would change: who signed it is checked, whether this host could serve it is not."""
    with naming(file):
        opened, _ = _opened(site, read_document(file, limit=LIMITS["config"]), now)
    return _plan(site, opened)


@needs(Permission.CONFIG_WRITE)
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


@needs(Permission.CONFIG_READ)
def config_in_force(site: Site) -> tuple[Config, str]:
    """The active config and its text, verified again. Raises ConfigMissing, and what opening it refuses."""
    opened = open_config_in_force(site, site.trust())
    return opened.verified.claims, opened.text


@needs(Permission.CONFIG_READ)
def check_candidate(site: Site, data: bytes, secrets: SecretLookup, now: datetime) -> Candidate:
    """A config that this site had before, checked as if it came in now, but for its serial."""
    opened, standing = _opened(site, data, now)
    return _checked(site, opened, standing, data, secrets, Arrival.NEW)


def _opened(site: Site, data: bytes, now: datetime) -> tuple[OpenedConfig, Standing]:
    trust = site.trust()
    standing = judge_site(site, trust, now)
    delegation = standing.licence.config_delegation if standing.licence else None
    return open_config(data, trust, site=site.id, delegation=delegation, arriving=True), standing


def _checked(
    site: Site, opened: OpenedConfig, standing: Standing, data: bytes, secrets: SecretLookup, arrival: Arrival
) -> Candidate:
    config = opened.verified.claims
    if standing.licence is None:
        raise LicenceRefused(standing)
    if not standing.terms.config_import:
        raise ConfigFrozen(f"No config can be activated now. {standing.sentence}")
    check_against_licence(config, opened.document, standing.licence)
    _check_keys(site, opened, secrets)
    return Candidate(opened.verified, data, _plan(site, opened), arrival, secrets)


def _check_keys(site: Site, opened: OpenedConfig, secrets: SecretLookup) -> None:
    config = opened.verified.claims
    _check_webhooks(site, opened, secrets)
    for number, each in enumerate(config.deployments):
        where = opened.document.where(("models", number, "provider", "api_key"))
        if config.handling.forbid_clear and is_clear(each.api_key):
            raise ConfigRefused(
                "A provider key stands in clear here, which this very config forbids.",
                where=where,
                remedy="Seal it (ao config seal), or name it ${NAME}, and have the config signed again.",
            )
        try:
            resolve_keys([each], secrets, site.id, site.key.unseal)
        except (SecretMissing, SealRefused) as refusal:
            refusal.where = where
            raise


def _check_webhooks(site: Site, opened: OpenedConfig, secrets: SecretLookup) -> None:
    config = opened.verified.claims
    for number, each in enumerate(config.webhooks):
        where = opened.document.where(("webhooks", number, "secret"))
        if config.handling.forbid_clear and is_clear(each.secret):
            raise ConfigRefused(
                "The secret of a webhook stands in clear here, which this very config forbids.",
                where=where,
                remedy="Seal it (ao config seal), or name it ${NAME}, and have the config signed again.",
            )
        try:
            resolve_webhook(each, secrets, site.id, site.key.unseal)
        except (SecretMissing, SealRefused) as refusal:
            refusal.where = where
            raise


def _plan(site: Site, opened: OpenedConfig) -> Plan:
    before = _in_force_or_none(site)
    texts = (before.document.value if before else None, opened.document.value)
    return plan(before.verified.claims if before else None, opened.verified.claims, texts)


def _examine_again(site: Site, candidate: Candidate, now: datetime) -> None:
    if examine_bytes(site, candidate.data, candidate.secrets, now).verified != candidate.verified:
        raise ConfigFrozen("Who may sign configs has changed since this one was looked at; look again.")


def _in_force_or_none(site: Site) -> OpenedConfig | None:
    """None also where what is in force can no longer be believed: a fresh config must be able to heal that."""
    try:
        return open_config_in_force(site, site.trust())
    except Refusal:
        return None
