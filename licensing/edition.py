"""The editions, in one table: the caps that come with each, and the features that each unlocks.

A cap of None is unlimited; a licence's own caps go before these. An add-on unlocks the feature of its name in any
edition. Nothing is ever switched off silently: what a config asks for and the edition lacks is refused at import.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

EditionName = Literal["pro", "team", "business", "enterprise"]
FeatureName = Literal[
    "byok",
    "self_hosting",
    "custom_routing",
    "white_label",
    "saml",
    "oidc",
    "scim",
    "advanced_compliance",
    "demo",
]


@dataclass(frozen=True, slots=True)
class Edition:
    """Caps per minute for the whole site, as the tier table grants them when a licence states none of its own."""

    name: EditionName
    title: str
    rpm: int | None
    tpm: int | None


@dataclass(frozen=True, slots=True)
class Feature:
    """Something that a licence must cover: by one of `editions`, or by an add-on of its name."""

    name: FeatureName
    title: str
    editions: tuple[EditionName, ...]


EDITIONS: Mapping[EditionName, Edition] = MappingProxyType(
    {
        "pro": Edition("pro", "Pro", 600, 5_000_000),
        "team": Edition("team", "Team", 3_000, 30_000_000),
        "business": Edition("business", "Business", 10_000, None),
        "enterprise": Edition("enterprise", "Enterprise", None, None),
    }
)

_ENTERPRISE: tuple[EditionName, ...] = ("enterprise",)

FEATURES: Mapping[FeatureName, Feature] = MappingProxyType(
    {
        feature.name: feature
        for feature in (
            Feature("byok", "your own provider accounts", _ENTERPRISE),
            Feature("self_hosting", "private model servers", _ENTERPRISE),
            Feature("custom_routing", "routing of your own", _ENTERPRISE),
            Feature("white_label", "your own name and colours", _ENTERPRISE),
            Feature("saml", "sign-in by SAML", _ENTERPRISE),
            Feature("oidc", "sign-in by OpenID Connect", _ENTERPRISE),
            Feature("scim", "users by SCIM", _ENTERPRISE),
            Feature("advanced_compliance", "advanced compliance", _ENTERPRISE),
            Feature("demo", "the demonstration model", ()),
        )
    }
)


def unlocks(edition: EditionName, add_ons: Collection[str], feature: FeatureName) -> bool:
    """Whether an edition with these add-ons has the feature."""
    return feature in add_ons or edition in FEATURES[feature].editions


def who_has(feature: FeatureName) -> str:
    """Which edition or add-on would unlock it, for a person: "the edition Enterprise or the add-on 'saml'"."""
    titles = " or ".join(EDITIONS[name].title for name in FEATURES[feature].editions)
    add_on = f"the add-on {feature!r}"
    return f"the edition {titles} or {add_on}" if titles else add_on
