"""All that a worker decides by, taken from the state at one moment: standing, config, routes, keys, caps.

A snapshot never changes. An exchange keeps the one it began with; a new one is taken when the board says that something
changed, and every JUDGE_SECONDS because time passes. Whatever cannot be read becomes the refusal that callers are told:
it fails closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from appliance.access.grant import Grant, grants
from appliance.access.keys import ApiKey, digested_keys, keys_by_hash
from appliance.config.features import feature_of
from appliance.config.in_force import open_config_in_force
from appliance.config.model import Config, Deployment
from appliance.config.policy import Limits, Price
from appliance.config.secrets import SecretLookup, resolve_keys
from appliance.errors import ConfigMissing, ConfigUnusable, LicenceRefused, SealRefused, SecretMissing
from appliance.gateway.ask import dearest
from appliance.gateway.dialects.known import CHAT, COUNT_TOKENS, DIALECTS
from appliance.gateway.routing.candidate import Table, Tables, mark_of
from appliance.providers.call import Provider
from appliance.providers.registry import provider_of
from appliance.state.site import Site
from appliance.state.standing import judge_site
from licensing.errors import Refusal
from licensing.licence import Licence
from licensing.standing import Standing
from licensing.trust import Trust

JUDGE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, repr=False)
class Route:
    """A deployment with all that is needed to choose it and to call it: a `Candidate` of the routing."""

    deployment: Deployment
    provider: Provider
    api_key: str | None
    id: str = field(init=False)
    mark: int = field(init=False)
    tags: frozenset[str] = field(init=False)
    weight: float = field(init=False)
    price: Price | None = field(init=False)
    limits: Limits = field(init=False)

    def __post_init__(self) -> None:
        of = self.deployment
        facts = {"id": of.id, "mark": mark_of(of.id.encode()), "tags": frozenset(of.tags)}
        for name, value in (facts | {"weight": of.weight, "price": of.price, "limits": of.limits}).items():
            object.__setattr__(self, name, value)

    def serves(self, endpoint: str) -> bool:
        """Whether its provider has this endpoint (the path below /v1)."""
        wires = self.provider.wires
        through_chat = endpoint in DIALECTS and CHAT in wires
        return self.provider.answer is not None or endpoint in wires or through_chat or endpoint == COUNT_TOKENS


@dataclass(frozen=True, slots=True, repr=False)
class Snapshot:
    """`refusal` is why no model may be called now, or None. `hash_key` is what API keys are looked up under. `tables`
    are the routes with the policies by which one is chosen. `digested` are the ids of keys that are known only by what
    another gateway had kept of them. `grants` say what each key is allowed, by its id; `prices` what the dearest
    deployment of an alias costs."""

    generation: int
    standing: Standing
    refusal: Refusal | None
    licence: Licence | None
    config: Config | None
    routes: Mapping[str, tuple[Route, ...]]
    tables: Tables[Route]
    keys: Mapping[bytes, ApiKey]
    hash_key: bytes
    models: Mapping[str, bytes]
    grants: Mapping[str, Grant]
    prices: Mapping[str, Price | None]
    digested: frozenset[str] = frozenset()

    def serves(self, model: str) -> bool:
        """Whether this alias is configured, licensed and can be called."""
        return model in self.models


def take_snapshot(site: Site, secrets: SecretLookup, now: datetime) -> Snapshot:
    """The state as it is at `now`. Raises only what means that the state itself is broken (StateDamaged)."""
    generation = site.board.generation
    trust = site.trust()
    standing = judge_site(site, trust, now)
    refusal: Refusal | None = None if standing.terms.serves else LicenceRefused(standing)
    config, routes, config_refusal = _routes(site, trust, standing.licence, secrets)
    keys = keys_by_hash(site.database)
    caps = standing.licence.caps if standing.licence else None
    return Snapshot(
        generation=generation,
        standing=standing,
        refusal=refusal or config_refusal,
        licence=standing.licence,
        config=config,
        routes=routes,
        tables=_tables(config, routes),
        keys=keys,
        hash_key=site.key.hash_key,
        models=_models(config, standing.licence, routes),
        grants=grants(
            site.database,
            keys.values(),
            rpm=caps.rpm if caps else None,
            tpm=caps.tpm if caps else None,
            wall=now.timestamp(),
        ),
        prices={alias: dearest(tuple(each.price for each in those)) for alias, those in routes.items()},
        digested=digested_keys(site.database),
    )


def _routes(
    site: Site, trust: Trust, licence: Licence | None, secrets: SecretLookup
) -> tuple[Config | None, Mapping[str, tuple[Route, ...]], Refusal | None]:
    try:
        config = open_config_in_force(site, trust).verified.claims
        keys = resolve_keys(config.deployments, secrets, site.id, site.key.unseal)
    except (ConfigMissing, SecretMissing, SealRefused) as refusal:
        return None, {}, refusal
    except Refusal as refusal:
        return None, {}, ConfigUnusable(f"The config in force cannot be used. {refusal.message}")
    routes: dict[str, tuple[Route, ...]] = {}
    for each in config.deployments:
        if licence is None or not licence.has(feature_of(each)):
            continue
        route = Route(each, provider_of(each), keys.get(each.id))
        routes[each.alias] = (*routes.get(each.alias, ()), route)
    return config, routes, None


def _tables(config: Config | None, routes: Mapping[str, tuple[Route, ...]]) -> Tables[Route]:
    if config is None:
        return {}
    return {alias: Table(alias, config.policy(alias), candidates) for alias, candidates in routes.items()}


def _models(
    config: Config | None, licence: Licence | None, routes: Mapping[str, tuple[Route, ...]]
) -> Mapping[str, bytes]:
    """The aliases that are configured, licensed and can be called, each as the model object of OpenAI's API."""
    if config is None or licence is None:
        return {}
    created = int(config.issued_at.timestamp())
    return {
        alias: msgspec.json.encode({"id": alias, "object": "model", "created": created, "owned_by": "ao-appliance"})
        for alias in config.aliases
        if licence.allows_model(alias) and alias in routes
    }
