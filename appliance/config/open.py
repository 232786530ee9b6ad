"""From the bytes of a signed config to a `Config`: verify, then parse those same bytes, then check what it says.

Who may sign: the role `config` of the pinned trust; or, where the licence delegates that role, the customer's officers
and nobody else. A config that is in force when a delegation arrives stays in force until the officers sign another.
"""

from __future__ import annotations

from dataclasses import dataclass

from appliance.config.features import RESERVED, Asked, asked_features
from appliance.config.model import Config, read_config
from appliance.errors import ConfigRefused, FeatureUnbuilt
from appliance.providers.registry import known_needs
from licensing.config_header import ConfigHeader, header_of
from licensing.document import Verified
from licensing.edition import FEATURES, who_has
from licensing.envelope import Envelope, VerifiedBody, parse, verify
from licensing.errors import SignatureRefused, WrongAudience
from licensing.licence import Delegation, Licence
from licensing.trust import Trust
from media.strict_yaml import Document, load

VENDOR_ROLE = "config"
DELEGATED_ROLE = "config.delegated"
"""Delegated configs have a ratchet of their own: handing the role over starts it anew."""


@dataclass(frozen=True, slots=True)
class OpenedConfig:
    """A verified config, where each of its keys stands, and its text."""

    verified: Verified[Config]
    document: Document
    text: str


def open_config(
    data: bytes, trust: Trust, *, site: str, delegation: Delegation | None = None, arriving: bool = False
) -> OpenedConfig:
    """The config for this site. `arriving`: it is about to come in, not already in force.

    Raises Malformed, WrongKind, SignatureRefused, WrongAudience, YamlRefused, ConfigRefused.
    """
    body, role, epoch = verify_config(parse(data), trust, delegation, arriving=arriving)
    document = load(body.body)
    if not isinstance(document.value, dict):
        raise ConfigRefused("A config is a mapping of settings.", where="line 1")
    header = header_of(document.value)
    if header.site != site:
        raise WrongAudience(
            f"The config is for site {header.site!r}; this is site {site!r}.", where=document.where(("site",))
        )
    config = read_config(document, header, known_needs(), RESERVED)
    return OpenedConfig(Verified(config, body.digest, body.signers, role, epoch), document, body.body.decode("utf-8"))


def verify_config(
    envelope: Envelope, trust: Trust, delegation: Delegation | None, *, arriving: bool
) -> tuple[VerifiedBody, str, int]:
    """The signed bytes, the role they were signed under, and its key epoch. Raises SignatureRefused, WrongKind."""
    payload_type = ConfigHeader.payload_type()
    if delegation is not None:
        officers = [record.key for record in delegation.keys if record.key.keyid not in trust.revoked.keys]
        try:
            body = verify(envelope, payload_type=payload_type, keys=officers, threshold=delegation.threshold)
        except SignatureRefused:
            if arriving:
                raise
        else:
            return body, DELEGATED_ROLE, delegation.epoch
    return trust.verify(envelope, role="config", payload_type=payload_type), VENDOR_ROLE, trust.key_epoch("config")


def check_against_licence(config: Config, document: Document, licence: Licence) -> None:
    """Refuses what the licence does not cover: an alias outside the allow-list, a feature its edition lacks. Then what
    it covers and this release does not do.

    Raises ConfigRefused, FeatureUnbuilt, with the line and the key.
    """
    for number, each in enumerate(config.deployments):
        if not licence.allows_model(each.alias):
            raise ConfigRefused(
                f"The licence does not cover the model {each.alias!r}; it covers: {', '.join(licence.models)}.",
                where=document.where(("models", number, "alias")),
                remedy="Take the model out of the config, or order a licence that covers it.",
            )
    for asked in missing_features(config, licence):
        raise ConfigRefused(
            f"This asks for {asked.title}, which needs {who_has(asked.feature)}; the licence is {licence.edition}.",
            where=document.where(asked.path),
            remedy="Take it out of the config, or order a licence that has it.",
        )
    for name in config.reserved:
        title = FEATURES[RESERVED[name]].title
        raise FeatureUnbuilt(
            f"The licence has {title}, and this release does not do that yet.", where=document.where((name,))
        )


def missing_features(config: Config, licence: Licence) -> list[Asked]:
    """What the config asks for and the licence lacks."""
    return [asked for asked in asked_features(config) if not licence.has(asked.feature)]
