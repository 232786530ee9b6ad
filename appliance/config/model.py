"""The config's shape, as an officer writes it, and the plain types that the gateway routes by.

Pydantic reads what came in; `Config` is what leaves this module: frozen, complete, every default filled in. Each
refusal names the key and the line. Which providers exist is an argument, so that this module knows no wire format.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError

from appliance.config.handling_part import Handling, RollbackPart, SecretsPart, handling
from appliance.config.media_part import MediaPart, MediaPolicy, media_policy
from appliance.config.part import Part, Tag, refused
from appliance.config.policy import AS_WRITTEN, Limits, Policy, Price, Probe, Timeouts
from appliance.config.provider_rows import ProviderRowPart, read_rows
from appliance.config.routing import read_routing
from appliance.config.routing_part import LIMITS, TIMEOUTS, LimitsPart, PricePart, ProbePart, TimeoutsPart, Weight
from appliance.config.sealed import ANY_PREFIX, PREFIX, is_sealed, secret_name
from appliance.config.usage_part import UsagePart, UsagePolicy
from appliance.config.webhooks_part import ADDRESSES, Webhook, WebhookPart, read_webhooks
from appliance.errors import ConfigRefused
from appliance.providers.row import PARAMETER_VALUE, Auth, ProviderRow, address_of
from licensing.config_header import HEADER_MEMBERS, ConfigHeader
from media.strict_yaml import Document

Alias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$")]
OnDeparture = Literal["cancel", "drain"]
"""What becomes of a call whose app has left: it ends at once, or goes on to its true count for `drain_seconds`."""

Seconds = Annotated[float, Field(gt=0, le=86_400)]


class ProviderPart(Part):
    name: str
    model: str | None = Field(default=None, min_length=1, max_length=256)
    api_key: str | None = Field(default=None, min_length=1, max_length=8192)
    api_base: str | None = Field(default=None, pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$", max_length=1024)
    region: str | None = Field(default=None, min_length=1, max_length=128)
    parameters: dict[str, str] = Field(default_factory=dict, max_length=16)


class ModelPart(Part):
    alias: Alias
    provider: ProviderPart
    tags: list[Tag] = Field(default_factory=list, max_length=32)
    on_departure: OnDeparture = "cancel"
    drain_seconds: Seconds = 120.0
    weight: Weight = 1.0
    price: PricePart | None = None
    limits: LimitsPart | None = None
    timeouts: TimeoutsPart = TimeoutsPart()
    probe: ProbePart | None = None


class ConfigPart(Part):
    models: list[ModelPart] = Field(min_length=1, max_length=2000)
    media: MediaPart = MediaPart()
    secrets: SecretsPart = SecretsPart()
    rollback: RollbackPart = RollbackPart()
    usage: UsagePart = Field(default_factory=UsagePart)
    providers: list[ProviderRowPart] = Field(default_factory=list, max_length=200)
    routing: dict[str, Any] = Field(default_factory=dict, max_length=2001)
    webhooks: list[WebhookPart] = Field(default_factory=list, max_length=ADDRESSES)


@dataclass(frozen=True, slots=True)
class Deployment:
    """One place where an alias can be answered. `api_key` is still `${NAME}`: secrets are looked up at activation.

    `row` is that of its provider, None for the built-in ones; `parameters` has a value for each that the row names.
    `id` is the alias and a digest of provider, address, model and key name: it stays when entries are moved about.
    """

    id: str
    alias: str
    provider: str
    model: str
    api_base: str | None
    api_key: str | None = field(repr=False)
    tags: tuple[str, ...]
    row: ProviderRow | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    on_departure: OnDeparture = "cancel"
    drain_seconds: float = 120.0
    weight: float = 1.0
    price: Price | None = None
    limits: Limits = LIMITS
    timeouts: Timeouts = TIMEOUTS
    probe: Probe | None = None

    @property
    def auth(self) -> Auth:
        return self.row.auth if self.row else "bearer"

    def parameter(self, name: str) -> str:
        """Raises KeyError for one that the row does not name; reading the config has seen to all that it does."""
        return self.parameters[name]


@dataclass(frozen=True, slots=True)
class Config:
    """`deployments` in the order written. `routing` has the policy of each alias that is given one; `own_routing` are
    the keys under which there is a policy, and not a preset's name. `reserved` are the sections that it asks for by
    name and that this release cannot read."""

    serial: int
    site: str
    issued_at: datetime
    deployments: tuple[Deployment, ...]
    media: MediaPolicy = field(default_factory=MediaPolicy)
    handling: Handling = field(default_factory=Handling)
    reserved: tuple[str, ...] = ()
    usage: UsagePolicy = field(default_factory=UsagePolicy)
    routing: Mapping[str, Policy] = field(default_factory=dict)
    own_routing: frozenset[str] = frozenset()
    webhooks: tuple[Webhook, ...] = ()

    def policy(self, alias: str) -> Policy:
        return self.routing.get(alias, AS_WRITTEN)

    @property
    def aliases(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each.alias for each in self.deployments))


@dataclass(frozen=True, slots=True)
class ProviderNeeds:
    """What a provider asks of a config entry. One with a `row` has an address already, which may be overridden."""

    name: str
    needs_api_base: bool
    takes_api_key: bool
    row: ProviderRow | None = None

    @classmethod
    def of_row(cls, row: ProviderRow) -> ProviderNeeds:
        return cls(row.id, needs_api_base=False, takes_api_key=row.auth != "none", row=row)


def read_config(
    document: Document,
    header: ConfigHeader,
    providers: Mapping[str, ProviderNeeds],
    reserved: Collection[str] = (),
) -> Config:
    """The config in an already verified document. Raises ConfigRefused with line and key."""
    part, asked = _part_of(document, reserved)
    deployments = _deployments(document, part, providers)
    routing, own = read_routing(document, part.routing, deployments)
    return Config(
        header.serial,
        header.site,
        header.issued_at,
        deployments,
        media_policy(part.media),
        handling(part.secrets, part.rollback),
        asked,
        part.usage.policy(),
        routing,
        own,
        read_webhooks(document, part.webhooks),
    )


def read_deployments(
    document: Document, providers: Mapping[str, ProviderNeeds], reserved: Collection[str] = ()
) -> tuple[Deployment, ...]:
    """The deployments of a text that nobody has signed yet, in its order. Raises ConfigRefused with line and key."""
    part, _ = _part_of(document, reserved)
    return _deployments(document, part, providers)


def read_webhooks_of(document: Document, reserved: Collection[str] = ()) -> tuple[Webhook, ...]:
    """The webhooks of a text that nobody has signed yet, in its order. Raises ConfigRefused with line and key."""
    part, _ = _part_of(document, reserved)
    return read_webhooks(document, part.webhooks)


def _part_of(document: Document, reserved: Collection[str]) -> tuple[ConfigPart, tuple[str, ...]]:
    written = document.value if isinstance(document.value, dict) else {}
    asked = tuple(name for name in written if name in reserved)
    members = {name: value for name, value in written.items() if name not in HEADER_MEMBERS and name not in asked}
    try:
        return ConfigPart.model_validate(members), asked
    except ValidationError as exc:
        raise refused(document, exc) from exc


def _deployments(
    document: Document, part: ConfigPart, providers: Mapping[str, ProviderNeeds]
) -> tuple[Deployment, ...]:
    own = read_rows(document, part.providers, providers)
    known = {**providers, **{id_: ProviderNeeds.of_row(row) for id_, row in own.items()}}
    read = (_deployment(document, number, entry, known) for number, entry in enumerate(part.models))
    return _each_with_an_id_of_its_own(read)


def _deployment(document: Document, number: int, entry: ModelPart, known: Mapping[str, ProviderNeeds]) -> Deployment:
    place: tuple[str | int, ...] = ("models", number, "provider")
    provider = entry.provider
    needs = known.get(provider.name)
    if needs is None:
        raise ConfigRefused(
            f"There is no provider {provider.name[:64]!r}; those that exist are: {_some(known)}.",
            where=document.where((*place, "name")),
            remedy="List them all with: ao providers list. Or define it under `providers:` in the config.",
        )
    if needs.needs_api_base and provider.api_base is None:
        raise ConfigRefused(f"Provider {needs.name!r} needs an api_base.", where=document.where(place))
    if not needs.needs_api_base and needs.row is None and provider.api_base is not None:
        raise ConfigRefused(f"Provider {needs.name!r} takes no api_base.", where=document.where((*place, "api_base")))
    if not needs.takes_api_key and provider.api_key is not None:
        raise ConfigRefused(f"Provider {needs.name!r} takes no api_key.", where=document.where((*place, "api_key")))
    parameters = _parameters(document, place, provider, needs)
    address = _address(provider, needs, parameters)
    if address is not None and not _can_be_called(address):
        raise ConfigRefused(
            f"The address {address[:80]!r} cannot be called: its host or port is none.",
            where=document.where((*place, "api_base")),
        )
    if provider.api_key is not None and provider.api_key.startswith(ANY_PREFIX) and not is_sealed(provider.api_key):
        raise ConfigRefused(
            f"This key was sealed in a way that this release does not know; it knows {PREFIX}….",
            where=document.where((*place, "api_key")),
        )
    if provider.api_key is not None and "$" in provider.api_key and secret_name(provider.api_key) is None:
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
        api_base=address,
        api_key=provider.api_key,
        tags=tuple(entry.tags),
        row=needs.row,
        parameters=MappingProxyType(parameters),
        on_departure=entry.on_departure,
        drain_seconds=entry.drain_seconds,
        weight=entry.weight,
        price=entry.price.value() if entry.price else None,
        limits=entry.limits.value() if entry.limits else LIMITS,
        timeouts=entry.timeouts.value(),
        probe=entry.probe.value() if entry.probe else None,
    )


def _parameters(
    document: Document, place: tuple[str | int, ...], provider: ProviderPart, needs: ProviderNeeds
) -> dict[str, str]:
    """A value for each parameter that the provider's row names. `region` is one that may stand beside the others."""
    row = needs.row
    given = provider.parameters | ({"region": provider.region} if provider.region is not None else {})
    for name, value in given.items():
        where = document.where((*place, "parameters", name) if name in provider.parameters else (*place, name))
        if row is None or name not in row.parameters:
            raise ConfigRefused(f"Provider {needs.name!r} takes no {name[:64]}.", where=where)
        if not PARAMETER_VALUE.fullmatch(value):
            raise ConfigRefused(
                f"The value of {name} may have letters, digits, dots, hyphens and underscores only.", where=where
            )
    if row is None:
        return {}
    values = {**row.defaults, **given}
    for name in row.parameters:
        # An address of one's own leaves nothing to fill in; what the wire itself asks for stands in no address.
        if name not in values and (provider.api_base is None or "{" + name + "}" not in row.api_base or _signs(row)):
            raise ConfigRefused(
                f"Provider {needs.name!r} needs a value for {name}, under `parameters`.", where=document.where(place)
            )
    if row.wire == "anthropic" and not values["max_tokens"].isdecimal():
        raise ConfigRefused("The value of max_tokens is no number.", where=document.where(place))
    return values


def _signs(row: ProviderRow) -> bool:
    """Whether the region is part of what is signed."""
    return row.auth == "aws"


def _address(provider: ProviderPart, needs: ProviderNeeds, parameters: Mapping[str, str]) -> str | None:
    if provider.api_base is not None:
        return provider.api_base.rstrip("/")
    return address_of(needs.row.api_base, parameters) if needs.row else None


def _some(known: Mapping[str, ProviderNeeds]) -> str:
    """The providers that are no row of the catalogue, and how many more there are."""
    named = sorted(name for name, each in known.items() if each.row is None or each.row.confirmed == "config")
    more = len(known) - len(named)
    return ", ".join(named) + (f", and {more} of the catalogue" if more else "")


def _id_of(entry: ModelPart) -> str:
    """Of a key only the name of its variable counts: a digest of the key itself would be a way to try guesses."""
    provider = entry.provider
    key = secret_name(provider.api_key) if provider.api_key is not None else None
    told = repr(
        (provider.name, provider.model, provider.api_base, provider.region, sorted(provider.parameters.items()), key)
    )
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
