"""Which features a config asks for, and where it asks for them (pure). Who has them is licensing/edition.py's table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from appliance.config.model import Config, Deployment
from licensing.edition import FEATURES, FeatureName


def feature_of(deployment: Deployment) -> FeatureName:
    """What a licence must cover for this deployment: a private server, or an account with somebody."""
    if deployment.row is not None:
        return "self_hosting" if deployment.row.private else "byok"
    return "demo" if deployment.provider == "demo" else "self_hosting"


RESERVED: Mapping[str, FeatureName] = MappingProxyType(
    {
        "white_label": "white_label",
        "saml": "saml",
        "oidc": "oidc",
        "scim": "scim",
        "advanced_compliance": "advanced_compliance",
    }
)
"""Top-level sections of a config that some edition has and this release does not do yet. Taking one up here makes its
edition's gate and its honest refusal; taking one out, together with reading it, makes the feature."""


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
        yield Asked(feature_of(each), ("models", number, "provider", "name"))
    for name in config.reserved:
        yield Asked(RESERVED[name], (name,))
    for alias in sorted(config.own_routing):
        yield Asked("custom_routing", ("routing", alias))
