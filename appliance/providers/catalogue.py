"""The catalogue: provider endpoints of the world as rows of data. None is called unless a signed config names it.

`catalogue.yaml` is what people read and change; `catalogue.json` is the same, compiled, and what is loaded: in half a
millisecond at a worker's start, where the YAML takes 10 to 16 with libyaml, and a hundred without.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

import msgspec

from appliance.providers.row import ProviderRow


@cache
def catalogue() -> Mapping[str, ProviderRow]:
    """Every row by its id."""
    data = (resources.files("appliance.providers") / "catalogue.json").read_bytes()
    rows = msgspec.json.decode(data)
    return MappingProxyType({row["id"]: row_of(row) for row in rows})


def row_of(written: Mapping[str, Any]) -> ProviderRow:
    """A row as it stands in the catalogue. Raises TypeError for a name that no row has."""
    members = dict(written)
    for name in ("endpoints", "quirks"):
        if name in members:
            members[name] = tuple(members[name])
    if "defaults" in members:
        members["defaults"] = MappingProxyType(dict(members["defaults"]))
    return ProviderRow(**members)
