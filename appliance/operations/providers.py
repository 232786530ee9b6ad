"""The catalogue's rows, looked up for a person: which there are, and all that is known of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from appliance.errors import ProviderUnknown
from appliance.providers.catalogue import catalogue
from appliance.providers.row import ProviderRow


def list_providers(*, region: str | None, wire: str | None, confirmed: str | None) -> list[ProviderRow]:
    """The rows that are all of what is asked. A row that takes a region is in every region."""
    return [
        row
        for row in catalogue().values()
        if (region is None or row.region == region or "region" in row.parameters)
        and wire in (None, row.wire)
        and confirmed in (None, row.confirmed)
    ]


def show_provider(name: str) -> ProviderRow:
    """Raises ProviderUnknown."""
    row = catalogue().get(name)
    if row is None:
        raise ProviderUnknown(f"The catalogue has no provider {name[:64]!r}.")
    return row


def as_data(row: ProviderRow) -> Mapping[str, Any]:
    """Every member of the row, and the parameters that a config gives it."""
    members = {field.name: getattr(row, field.name) for field in fields(row)}
    return {**members, "defaults": dict(row.defaults), "parameters": row.parameters}
