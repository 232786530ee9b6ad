"""A config on the table, before an officer signs it: what it says, read by the parsers that a site reads it with.

Promise: pure. Nothing is verified here. The bytes that are shown are the bytes that will be signed; a text that no site
would read, or that breaks the config's own rules, is refused with its place. What only the site knows (its licence, its
secrets, the serial that it is at) is for the site to refuse at import.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from appliance.config.model import Config, read_config
from appliance.config.plan import describe
from appliance.config.words import policy_in_words
from appliance.errors import ConfigRefused
from appliance.providers.registry import known_needs
from licensing.algorithms import digest
from licensing.config_header import ConfigHeader, header_of, with_head
from licensing.document import format_time
from licensing.envelope import Envelope, a_kind, parse, to_clear, to_json
from licensing.errors import LicensingError, WrongKind
from licensing.shown import shown
from media.reader import LIMITS
from media.strict_yaml import load_named

LIMIT: Final = LIMITS["config"]
_REMEDY: Final = "Correct the file at the place named and sign it again; nothing was signed."


@dataclass(frozen=True, slots=True)
class Paper:
    """A config with the signatures that it has so far; `clear` is the form that its file has."""

    envelope: Envelope
    config: Config
    clear: bool = True

    @property
    def digest(self) -> str:
        return digest(self.envelope.body)

    def to_bytes(self, envelope: Envelope) -> bytes:
        """The file, with the signatures of this envelope."""
        return to_clear(envelope) if self.clear else to_json(envelope)

    def lines(self) -> list[str]:
        """What is about to be signed, for a person."""
        facts = {
            "digest": self.digest,
            "serial": str(self.config.serial),
            "site": self.config.site,
            "issued": format_time(self.config.issued_at),
        }
        lines = ["A config, to be signed:", *(f"  {name + ':':8} {value}" for name, value in facts.items())]
        lines += [f"  {shown(each.alias)}: {shown(describe(each), 400)}" for each in self.config.deployments]
        lines += [
            f"  {shown(alias)}: {shown(policy_in_words(policy), 20_000)}"
            for alias, policy in self.config.routing.items()
        ]
        lines += [f"  signed, as the file says, with key {shown(name[:12])}" for name in self.claimed]
        return lines

    def as_dict(self) -> Mapping[str, Any]:
        return {
            "digest": self.digest,
            "serial": self.config.serial,
            "site": self.config.site,
            "issued_at": format_time(self.config.issued_at),
            "models": [{"alias": each.alias, "route": describe(each)} for each in self.config.deployments],
            "routing": {alias: policy_in_words(policy) for alias, policy in self.config.routing.items()},
            "signatures": list(self.claimed),
        }

    @property
    def claimed(self) -> tuple[str, ...]:
        """The key ids that the signatures name: claims, which a site believes only when they verify."""
        return tuple(signature.keyid for signature in self.envelope.signatures)


def lay_out_text(text: bytes, *, file: str, site: str, serial: int, now: datetime) -> Paper:
    """An author's YAML as a config for this site and serial, unsigned. Raises YamlRefused, ConfigRefused."""
    try:
        body = with_head(
            text,
            file=file,
            site=site,
            serial=serial,
            now=now,
            limit=LIMIT,
            read=lambda data: load_named(data, file),
        )
    except LicensingError as error:
        raise ConfigRefused(error.message, where=error.where, remedy=error.remedy) from error
    return Paper(Envelope(ConfigHeader.payload_type(), body, ()), _config_in(body, file))


def lay_out_signed(data: bytes, *, file: str) -> Paper:
    """A config that somebody has signed. Raises Malformed, WrongKind, YamlRefused, ConfigRefused."""
    envelope = parse(data)
    if envelope.payload_type != ConfigHeader.payload_type():
        raise WrongKind(f"The document is {a_kind(envelope.payload_type)}; officers sign configs.", where=file)
    return Paper(envelope, _config_in(envelope.body, file), clear=data[:1] != b"{")


def _config_in(body: bytes, file: str) -> Config:
    document = load_named(body, file)
    if not isinstance(document.value, dict):
        raise ConfigRefused("The config is not a mapping of names to values.", where=file, remedy=_REMEDY)
    try:
        return read_config(document, header_of(document.value), known_needs())
    except (LicensingError, ConfigRefused) as error:
        place = error.where or document.where(("kind",))
        raise ConfigRefused(error.message, where=f"{file}, {place}", remedy=_REMEDY) from error
