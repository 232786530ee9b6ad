"""The config's shape, as an officer writes it, and the plain types that the gateway routes by.

Pydantic reads what came in; `Config` is what leaves this module: frozen, complete, every default filled in. Each
refusal names the key and the line. Which providers exist is an argument, so that this module knows no wire format.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from appliance.config.media_part import MediaPart, MediaPolicy, media_policy
from appliance.errors import ConfigRefused
from licensing.config_header import HEADER_MEMBERS, ConfigHeader
from media.strict_yaml import Document

Alias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$")]
Tag = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
OnDeparture = Literal["cancel", "drain"]
"""What becomes of a call whose app has left: it ends at once, or goes on to its true count for `drain_seconds`."""

Seconds = Annotated[float, Field(gt=0, le=86_400)]

_SECRET_NAME = re.compile(r"\$\{([A-Z][A-Z0-9_]{0,63})\}")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ProviderPart(_Part):
    name: str
    model: str | None = Field(default=None, min_length=1, max_length=256)
    api_key: str | None = Field(default=None, min_length=1, max_length=4096)
    api_base: str | None = Field(default=None, pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$", max_length=1024)
    region: str | None = None


class ModelPart(_Part):
    alias: Alias
    provider: ProviderPart
    tags: list[Tag] = Field(default_factory=list, max_length=32)
    on_departure: OnDeparture = "cancel"
    drain_seconds: Seconds = 120.0


class ConfigPart(_Part):
    models: list[ModelPart] = Field(min_length=1, max_length=2000)
    media: MediaPart = MediaPart()


@dataclass(frozen=True, slots=True)
class Deployment:
    """One place where an alias can be answered. `api_key` is still `${NAME}`: secrets are looked up at activation."""

    id: str
    alias: str
    provider: str
    model: str
    api_base: str | None
    api_key: str | None = field(repr=False)
    tags: tuple[str, ...]
    on_departure: OnDeparture = "cancel"
    drain_seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class Config:
    """`deployments` in the order written: for one alias, each next one is the fallback of the one before."""

    serial: int
    site: str
    issued_at: datetime
    deployments: tuple[Deployment, ...]
    media: MediaPolicy = field(default_factory=MediaPolicy)

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
        raise _refused(document, exc) from exc
    known = {each.name: each for each in providers}
    deployments = tuple(_deployment(document, number, entry, known) for number, entry in enumerate(part.models))
    return Config(header.serial, header.site, header.issued_at, deployments, media_policy(part.media))


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
    return Deployment(
        id=f"{entry.alias}#{number}",
        alias=entry.alias,
        provider=provider.name,
        model=provider.model or entry.alias,
        api_base=provider.api_base.rstrip("/") if provider.api_base else None,
        api_key=provider.api_key,
        tags=tuple(entry.tags),
        on_departure=entry.on_departure,
        drain_seconds=entry.drain_seconds,
    )


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


def _refused(document: Document, error: ValidationError) -> ConfigRefused:
    fault: Any = error.errors(include_url=False, include_input=False, include_context=False)[0]
    path = tuple(fault["loc"])
    if fault["type"] == "extra_forbidden":
        return ConfigRefused(f"There is no such setting here: {str(path[-1])[:64]!r}.", where=document.where(path))
    return ConfigRefused(f"{fault['msg'].removeprefix('Value error, ')}.", where=document.where(path))
