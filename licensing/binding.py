"""Whether a licence is for this very site: its id, its key, the epoch of its state, and k of n facts of its hardware.

Hardware facts leave the site only as digests salted with the site's id: they can be compared and not read. A fact may
have several values (network cards); it holds when any of them is known. Losing facts within `need` changes nothing, so
a changed network card is no copied disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Self

from pydantic import Field, model_validator

from licensing.algorithms import digest
from licensing.document import Claims, Digest, SiteId
from licensing.trust import KeyId

FactName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
HardwareFacts = dict[FactName, Annotated[tuple[Digest, ...], Field(min_length=1, max_length=64)]]


class Hardware(Claims):
    """The facts as they were when the licence was asked for; at least `need` of them must hold."""

    facts: HardwareFacts = Field(min_length=1, max_length=32)
    need: int = Field(ge=1, le=32)

    @model_validator(mode="after")
    def _can_hold(self) -> Self:
        if self.need > len(self.facts):
            raise ValueError("more hardware facts are needed than are named")
        return self


class Binding(Claims):
    """The one site that a licence is for: its id, its own key, the epoch of its state, and its hardware if bound."""

    site: SiteId
    key: KeyId
    epoch: int = Field(ge=1)
    hardware: Hardware | None = None


@dataclass(frozen=True, slots=True)
class SiteFacts:
    """Who this site is: its id, its own key's id, the epoch of its state, and digests of what it runs on."""

    site: str
    key: str
    epoch: int
    hardware: Mapping[str, frozenset[str]] = field(default_factory=dict)


class Mismatch(Enum):
    SITE = "site"
    EPOCH = "epoch"
    HARDWARE = "hardware"


def fact_digest(site: str, name: str, value: str) -> str:
    """How a hardware fact is written: salted, so that equal machines look different at different sites."""
    return digest(f"{site}\n{name}\n{value}".encode())


def matching(hardware: Hardware, here: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """The names of the facts that hold here."""
    return tuple(name for name, known in sorted(hardware.facts.items()) if here.get(name, frozenset()) & set(known))


def mismatch(binding: Binding, facts: SiteFacts) -> tuple[Mismatch, str] | None:
    """The first thing that does not fit, with a sentence about it; None where the licence is for this site.

    A site whose state was made anew has another epoch and another key; it is told about the epoch.
    """
    if binding.site != facts.site:
        return Mismatch.SITE, f"The licence is for site {binding.site!r}; this is site {facts.site!r}."
    if binding.epoch != facts.epoch:
        return (
            Mismatch.EPOCH,
            f"The licence is for state epoch {binding.epoch}; this site is in epoch {facts.epoch}.",
        )
    if binding.key != facts.key:
        return (
            Mismatch.SITE,
            f"The licence is bound to site key {binding.key[:12]}; this site's key is {facts.key[:12]}.",
        )
    if binding.hardware is not None:
        held = matching(binding.hardware, facts.hardware)
        if len(held) < binding.hardware.need:
            return (
                Mismatch.HARDWARE,
                f"{len(held)} of the {len(binding.hardware.facts)} hardware facts in the licence hold on this host "
                f"({', '.join(held) or 'none'}); {binding.hardware.need} are needed.",
            )
    return None
