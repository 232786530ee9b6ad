"""The config's shape, as an officer writes it, and the plain types that the gateway routes by.

Pydantic reads what came in; `Config` is what leaves this module: frozen, complete, every default filled in. Each
refusal names the key and the line. Which providers exist is an argument, so that this module knows no wire format.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, ValidationError

from appliance.config.part import Part, Tag, refused
from appliance.config.policy import AS_WRITTEN, Limits, Policy, Price, Probe, Timeouts
from appliance.config.routing import read_routing
from appliance.config.routing_part import LIMITS, TIMEOUTS, LimitsPart, PricePart, ProbePart, TimeoutsPart, Weight
from appliance.errors import ConfigRefused
from licensing.config_header import HEADER_MEMBERS, ConfigHeader
from media.strict_yaml import Document

Alias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$")]

_SECRET_NAME = re.compile(r"\$\{([A-Z][A-Z0-9_]{0,63})\}")


class ProviderPart(Part):
    name: str
    model: str | None = Field(default=None, min_length=1, max_length=256)
    api_key: str | None = Field(default=None, min_length=1, max_length=4096)
    api_base: str | None = Field(default=None, pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$", max_length=1024)
    region: str | None = None


class ModelPart(Part):
    alias: Alias
    provider: ProviderPart
    tags: list[Tag] = Field(default_factory=list, max_length=32)
    weight: Weight = 1.0
    price: PricePart | None = None
    limits: LimitsPart | None = None
    timeouts: TimeoutsPart = TimeoutsPart()
    probe: ProbePart | None = None


class ConfigPart(Part):
    models: list[ModelPart] = Field(min_length=1, max_length=2000)
    routing: dict[str, Any] = Field(default_factory=dict, max_length=2001)


@dataclass(frozen=True, slots=True)
class Deployment:
    """One place where an alias can be answered. `api_key` is still `${NAME}`: secrets are looked up at activation.

    `id` is the alias and a digest of provider, address, model and key name: it stays when entries are moved about.
    """

    id: str
    alias: str
    provider: str
    model: str
    api_base: str | None
    api_key: str | None = field(repr=False)
    tags: tuple[str, ...]
    weight: float = 1.0
    price: Price | None = None
    limits: Limits = LIMITS
    timeouts: Timeouts = TIMEOUTS
    probe: Probe | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """`deployments` in the order written. `routing` has the policy of each alias that is given one; `own_routing` are
    the keys under which there is a policy, and not a preset's name."""

    serial: int
    site: str
    issued_at: datetime
    deployments: tuple[Deployment, ...]
    routing: Mapping[str, Policy] = field(default_factory=dict)
    own_routing: frozenset[str] = frozenset()

    def policy(self, alias: str) -> Policy:
        return self.routing.get(alias, AS_WRITTEN)

    @property
    def aliases(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each.alias for each in self.deployments))


@dataclass(frozen=True, slots=True)
class ProviderNeeds:
    """What a provider asks of a config entry."""

    name: str
    needs_api_base: bool
    takes_api_key: bool


def read_config(document: Document, header: ConfigHeader, providers: Collection[ProviderNeeds]) -> Config:
    """The config in an already verified document. Raises ConfigRefused with line and key."""
    written = document.value if isinstance(document.value, dict) else {}
    members = {name: value for name, value in written.items() if name not in HEADER_MEMBERS}
    try:
        part = ConfigPart.model_validate(members)
    except ValidationError as exc:
        raise refused(document, exc) from exc
    known = {each.name: each for each in providers}
    read = (_deployment(document, number, entry, known) for number, entry in enumerate(part.models))
    deployments = _each_with_an_id_of_its_own(read)
    routing, own = read_routing(document, part.routing, deployments)
    return Config(header.serial, header.site, header.issued_at, deployments, routing, own)


def _deployment(document: Document, number: int, entry: ModelPart, known: dict[str, ProviderNeeds]) -> Deployment:
    place: tuple[str | int, ...] = ("models", number, "provider")
    provider = entry.provider
    needs = known.get(provider.name)
    if needs is None:
        raise ConfigRefused(
            f"There is no provider {provider.name[:64]!r}; those that exist are: {', '.join(sorted(known))}.",
            where=document.where((*place, "name")),
        )
    if needs.needs_api_base and provider.api_base is None:
        raise ConfigRefused(f"Provider {needs.name!r} needs an api_base.", where=document.where(place))
    if not needs.needs_api_base and provider.api_base is not None:
        raise ConfigRefused(f"Provider {needs.name!r} takes no api_base.", where=document.where((*place, "api_base")))
    if provider.api_base is not None and not _can_be_called(provider.api_base):
        raise ConfigRefused(
            f"The address {provider.api_base[:80]!r} cannot be called: its host or port is none.",
            where=document.where((*place, "api_base")),
        )
    if not needs.takes_api_key and provider.api_key is not None:
        raise ConfigRefused(f"Provider {needs.name!r} takes no api_key.", where=document.where((*place, "api_key")))
    if provider.region is not None:
        raise ConfigRefused(f"Provider {needs.name!r} takes no region.", where=document.where((*place, "region")))
    if provider.api_key is not None and "$" in provider.api_key and not _SECRET_NAME.fullmatch(provider.api_key):
        raise ConfigRefused(
            "An api_key is either the key itself or exactly ${NAME}, with NAME in capitals, digits and underscores.",
            where=document.where((*place, "api_key")),
        )
    if provider.api_base is None and entry.probe is not None:
        raise ConfigRefused(
            f"Provider {needs.name!r} has no address that could be probed.",
            where=document.where(("models", number, "probe")),
        )
    return Deployment(
        id=_id_of(entry),
        alias=entry.alias,
        provider=provider.name,
        model=provider.model or entry.alias,
        api_base=provider.api_base.rstrip("/") if provider.api_base else None,
        api_key=provider.api_key,
        tags=tuple(entry.tags),
        weight=entry.weight,
        price=entry.price.value() if entry.price else None,
        limits=entry.limits.value() if entry.limits else LIMITS,
        timeouts=entry.timeouts.value(),
        probe=entry.probe.value() if entry.probe else None,
    )


def _id_of(entry: ModelPart) -> str:
    """Of a key only the name of its variable counts: a digest of the key itself would be a way to try guesses."""
    provider = entry.provider
    key = secret_name(provider.api_key) if provider.api_key is not None else None
    told = repr((provider.name, provider.model, provider.api_base, provider.region, key))
    return f"{entry.alias}#{hashlib.sha256(told.encode()).hexdigest()[:8]}"


def _each_with_an_id_of_its_own(deployments: Iterable[Deployment]) -> tuple[Deployment, ...]:
    """Entries that are alike are told apart by their order."""
    seen: Counter[str] = Counter()
    told_apart = []
    for each in deployments:
        seen[each.id] += 1
        told_apart.append(each if seen[each.id] == 1 else replace(each, id=f"{each.id}.{seen[each.id]}"))
    return tuple(told_apart)


def _can_be_called(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def secret_name(api_key: str) -> str | None:
    """The NAME in `${NAME}`, or None where the text is the key itself."""
    found = _SECRET_NAME.fullmatch(api_key)
    return found.group(1) if found else None
