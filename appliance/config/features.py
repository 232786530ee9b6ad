"""Which features a config asks for, and where it asks for them (pure). Who has them is licensing/edition.py's table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from appliance.config.model import Config
from licensing.edition import FEATURES, FeatureName

FEATURE_OF_PROVIDER: Mapping[str, FeatureName] = MappingProxyType({"demo": "demo", "openai-compatible": "self_hosting"})
"""A provider that is not named here is somebody's account: your own keys."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A feature, and the path of the key that asks for it."""

    feature: FeatureName
    path: tuple[str | int, ...]

    @property
    def title(self) -> str:
        return FEATURES[self.feature].title


def asked_features(config: Config) -> Iterator[Asked]:
    """In the order of the file."""
    for number, each in enumerate(config.deployments):
        yield Asked(FEATURE_OF_PROVIDER.get(each.provider, "byok"), ("models", number, "provider", "name"))
    for alias in sorted(config.own_routing):
        yield Asked("custom_routing", ("routing", alias))
