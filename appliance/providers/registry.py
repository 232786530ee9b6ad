"""Every provider that a config may name: two built in, the catalogue's rows, and the rows of the config itself.

A native wire's module is imported when a config first names a row that speaks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from appliance.config.model import Deployment, ProviderNeeds
from appliance.providers.call import Provider, TokenGrant, Wire
from appliance.providers.catalogue import catalogue
from appliance.providers.demo import DEMO
from appliance.providers.openai import OPENAI_COMPATIBLE
from appliance.providers.openai_rows import azure_wires, openai_wires
from appliance.providers.row import ProviderRow

PROVIDERS: Mapping[str, Provider] = MappingProxyType({each.needs.name: each for each in (OPENAI_COMPATIBLE, DEMO)})
"""Those that are no row."""


def known_needs() -> Mapping[str, ProviderNeeds]:
    """What each built-in provider and each row of the catalogue asks of a config entry."""
    return {name: each.needs for name, each in PROVIDERS.items()} | {
        id_: ProviderNeeds.of_row(row) for id_, row in catalogue().items()
    }


def provider_of(deployment: Deployment) -> Provider:
    """What answers for a deployment."""
    return PROVIDERS[deployment.provider] if deployment.row is None else provider_of_row(deployment.row)


def provider_of_row(row: ProviderRow) -> Provider:
    """The row with its wires."""
    return Provider(ProviderNeeds.of_row(row), wires=_wires(row), grant=_grant(row))


def _wires(row: ProviderRow) -> Mapping[str, Wire]:
    match row.wire:
        case "openai":
            return openai_wires(row)
        case "azure":
            return azure_wires(row)
        case _:
            native = _native(row.wire)
            return {name: native[name] for name in native if row.endpoints is None or name in row.endpoints}


@cache
def _native(wire: str) -> Mapping[str, Wire]:
    match wire:
        case "anthropic":
            from appliance.providers.anthropic import wires as anthropic

            return anthropic.WIRES
        case "bedrock":
            from appliance.providers.bedrock import wires as bedrock

            return bedrock.WIRES
        case _:
            from appliance.providers.gemini import wires as gemini

            return gemini.WIRES


def _grant(row: ProviderRow) -> TokenGrant | None:
    if row.auth != "google-service-account":
        return None
    from appliance.providers.gemini.service_account import GRANT

    return GRANT
