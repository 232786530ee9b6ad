"""The head of a config: the members that every signed body has. What follows it is the appliance's to understand.

A config is YAML, read by `media.strict_yaml`; this module is given the mapping that came out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from licensing.document import Body, SiteId


class ConfigHeader(Body):
    """`serial` rises with every config; `site` is the one site that it is for."""

    KIND: ClassVar[str] = "config"

    kind: Literal["config"] = "config"
    serial: int = Field(ge=1, le=2**62)
    site: SiteId


HEADER_MEMBERS = ("kind", "schema", "serial", "issued_at", "site")


def header_of(members: Mapping[str, Any]) -> ConfigHeader:
    """The header among a config's top-level members. Raises Malformed, WrongKind."""
    return ConfigHeader.from_mapping({name: members[name] for name in HEADER_MEMBERS if name in members})
