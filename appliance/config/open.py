"""From the bytes of a signed config to a `Config`: verify, then parse those same bytes, then check what it says."""

from __future__ import annotations

from appliance.config.model import Config, read_config
from appliance.errors import ConfigRefused
from appliance.providers.registry import PROVIDERS
from licensing.config_header import ConfigHeader, header_of
from licensing.document import Verified
from licensing.envelope import parse
from licensing.errors import WrongAudience
from licensing.licence import Licence
from licensing.trust import Trust
from media.strict_yaml import load


def open_config(data: bytes, trust: Trust, *, site: str) -> tuple[Verified[Config], str]:
    """The config for this site, signed by the role `config`, and its text.

    Raises Malformed, WrongKind, SignatureRefused, WrongAudience, YamlRefused, ConfigRefused.
    """
    verified = trust.verify(parse(data), role="config", payload_type=ConfigHeader.payload_type())
    document = load(verified.body)
    if not isinstance(document.value, dict):
        raise ConfigRefused("A config is a mapping of settings.", where="line 1")
    header = header_of(document.value)
    if header.site != site:
        raise WrongAudience(
            f"The config is for site {header.site!r}; this is site {site!r}.", where=document.where(("site",))
        )
    config = read_config(document, header, [each.needs for each in PROVIDERS.values()])
    opened = Verified(config, verified.digest, verified.signers, "config", trust.key_epoch("config"))
    return opened, verified.body.decode("utf-8")


def check_against_licence(config: Config, licence: Licence) -> None:
    """Refuses what the licence does not cover: aliases outside the allow-list, add-ons it lacks. Raises
    ConfigRefused."""
    for each in config.deployments:
        if not licence.allows_model(each.alias):
            raise ConfigRefused(
                f"The licence does not cover the model {each.alias!r}; it covers: {', '.join(licence.models)}.",
                where=each.id,
                remedy="Take the model out of the config, or order a licence that covers it.",
            )
        if each.provider == "demo" and not licence.has("demo"):
            raise ConfigRefused(
                "The demonstration provider needs the licence add-on 'demo', which this licence lacks.",
                where=each.id,
                remedy="Name a real model server in the config, or order the add-on.",
            )
