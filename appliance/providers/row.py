"""A provider as a row of data: where it is, how it is asked, what is odd about it (pure).

Rows come from the catalogue, or from the `providers:` section of a config; both are held to the same rules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, get_args

Wire = Literal["openai", "azure", "anthropic", "bedrock", "gemini"]
Auth = Literal["bearer", "x-api-key", "api-key", "x-goog-api-key", "aws", "google-service-account", "none"]
Confirmed = Literal["vendor-doc", "secondary", "partly", "no", "config"]

Quirk = Literal[
    "max_tokens",
    "max_completion_tokens",
    "no_stream_options",
    "no_usage_in_stream",
    "one_choice",
    "system_for_developer",
    "any_for_required",
    "auto_tool_choice",
    "random_seed",
    "no_json_schema",
    "no_strict_tools",
]
"""What each does, quirks.py says."""

WIRES: tuple[Wire, ...] = get_args(Wire)
AUTHS: tuple[Auth, ...] = get_args(Auth)

AUTHS_OF_WIRE: Mapping[Wire, tuple[Auth, ...]] = MappingProxyType(
    {
        "openai": ("bearer", "x-api-key", "api-key", "google-service-account", "none"),
        "azure": ("api-key", "bearer"),
        "anthropic": ("x-api-key", "bearer", "none"),
        "bedrock": ("aws",),
        "gemini": ("x-goog-api-key", "google-service-account"),
    }
)

PARAMETER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
PARAMETER_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
ENDPOINTS = frozenset(
    {
        "chat/completions",
        "completions",
        "embeddings",
        "responses",
        "messages",
        "messages/count_tokens",
        "rerank",
        "moderations",
        "images/generations",
        "images/edits",
        "audio/speech",
        "audio/transcriptions",
        "audio/translations",
    }
)
"""Paths below /v1 that a row may say that it has."""

_ADDRESS = re.compile(
    r"(https?)://([A-Za-z0-9._-]|\{[a-z][a-z0-9_]*\})+(:[0-9]{1,5})?(/([A-Za-z0-9._~-]|\{[a-z][a-z0-9_]*\})+)*"
)


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """`api_base` may hold `{parameters}`; `defaults` fill in those that a config leaves out, and name further ones.

    `endpoints` are those it is known to have; None: whatever is asked is passed on, and it answers for itself.
    `private`: a server of one's own rather than an account with somebody. `confirmed` says how far `source` goes.
    """

    id: str
    title: str
    api_base: str
    auth: Auth
    wire: Wire
    private: bool = False
    endpoints: tuple[str, ...] | None = None
    quirks: tuple[Quirk, ...] = ()
    defaults: Mapping[str, str] = field(default_factory=dict)
    region: str | None = None
    notes: str | None = None
    source: str = "the config"
    confirmed: Confirmed = "config"

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names that a config may give values for, those of the address first."""
        wanted = [*PARAMETER.findall(self.api_base), *self.defaults]
        return tuple(dict.fromkeys([*wanted, "region"] if self.wire == "bedrock" else wanted))

    def fault(self) -> str | None:
        """What is wrong with the row, in a sentence; None for a good one."""
        scheme = _ADDRESS.fullmatch(self.api_base)
        if scheme is None:
            return "The api_base is no address (with {parameters} in lower case)."
        if scheme.group(1) == "http" and not self.private:
            return "The api_base is not https, which only a private server may do without."
        if self.auth not in AUTHS_OF_WIRE[self.wire]:
            return f"The wire {self.wire} is not authorised by {self.auth}; by: {', '.join(AUTHS_OF_WIRE[self.wire])}."
        for endpoint in self.endpoints or ():
            if endpoint not in ENDPOINTS:
                return f"There is no endpoint {endpoint[:64]!r}; those that exist are: {', '.join(sorted(ENDPOINTS))}."
        for name, value in self.defaults.items():
            if not PARAMETER_VALUE.fullmatch(value):
                return f"The default of {name} is no value that an address can hold."
        return None


def address_of(template: str, values: Mapping[str, str]) -> str:
    """The address with its parameters filled in. Every value is known to be PARAMETER_VALUE."""
    return PARAMETER.sub(lambda found: values[found.group(1)], template)
