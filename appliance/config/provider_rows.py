"""The `providers:` section of a config: rows of its own, beside the catalogue's (pure).

```yaml
providers:
  - id: house-llm
    api_base: https://{region}.llm.example/v1
    auth: x-api-key
    quirks: [max_tokens]
models:
  - alias: chat
    provider: {name: house-llm, region: north, api_key: ${HOUSE_KEY}}
```
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from types import MappingProxyType
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from appliance.errors import ConfigRefused
from appliance.providers.row import Auth, ProviderRow, Quirk, Wire
from media.strict_yaml import Document

Word = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class ProviderRowPart(BaseModel):
    """A row as an officer writes it; every member means what it means in the catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: Word
    api_base: str = Field(max_length=1024)
    title: str | None = Field(default=None, max_length=128)
    auth: Auth = "bearer"
    wire: Wire = "openai"
    private: bool = False
    endpoints: list[str] | None = Field(default=None, max_length=32)
    quirks: list[Quirk] = Field(default_factory=list, max_length=16)
    defaults: dict[str, str] = Field(default_factory=dict, max_length=16)


def read_rows(document: Document, parts: Iterable[ProviderRowPart], known: Collection[str]) -> dict[str, ProviderRow]:
    """The config's own rows by id. Raises ConfigRefused with line and key."""
    rows: dict[str, ProviderRow] = {}
    for number, part in enumerate(parts):
        where = document.where(("providers", number))
        if part.id in known or part.id in rows:
            raise ConfigRefused(f"There is a provider {part.id!r} already; call this one otherwise.", where=where)
        row = ProviderRow(
            id=part.id,
            title=part.title or part.id,
            api_base=part.api_base.rstrip("/"),
            auth=part.auth,
            wire=part.wire,
            private=part.private,
            endpoints=None if part.endpoints is None else tuple(part.endpoints),
            quirks=tuple(part.quirks),
            defaults=MappingProxyType({**_defaults_of(part.wire), **part.defaults}),
        )
        if fault := row.fault():
            raise ConfigRefused(fault, where=where)
        rows[part.id] = row
    return rows


def _defaults_of(wire: Wire) -> dict[str, str]:
    """What a wire cannot do without."""
    match wire:
        case "anthropic":
            return {"max_tokens": "4096"}
        case "azure":
            return {"api_version": "2024-10-21"}
        case _:
            return {}
