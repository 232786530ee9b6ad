"""Every provider that a config may name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from appliance.providers.call import Provider
from appliance.providers.demo import DEMO
from appliance.providers.openai import OPENAI_COMPATIBLE

PROVIDERS: Mapping[str, Provider] = MappingProxyType({each.needs.name: each for each in (OPENAI_COMPATIBLE, DEMO)})
