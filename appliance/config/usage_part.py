"""What a config says of usage: which labels leave the site, and how long an exchange is kept.

Who used how much is the vendor's to know as far as the contract goes; who they are need not be. `hash` gives each name
a pseudonym that stays the same within a contract period, `drop` joins all names into one, and the provider may be
`private`. Model aliases always leave: they are what is paid for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

NameRule = Literal["show", "hash", "drop"]
ProviderRule = Literal["show", "private"]

RETENTION_DAYS = 400


class LabelsPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    org: NameRule = "show"
    team: NameRule = "show"
    key: NameRule = "show"
    provider: ProviderRule = "show"


class UsagePart(BaseModel):
    """The config's `usage:` section. Everything has a default; the section may be left out."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    labels: LabelsPart = Field(default_factory=LabelsPart)
    retention_days: int = Field(default=RETENTION_DAYS, ge=35, le=36_500)

    def policy(self) -> UsagePolicy:
        labels = LabelPolicy(self.labels.org, self.labels.team, self.labels.key, self.labels.provider)
        return UsagePolicy(labels, self.retention_days)


@dataclass(frozen=True, slots=True)
class LabelPolicy:
    """What becomes of each label of a usage row."""

    org: NameRule = "show"
    team: NameRule = "show"
    key: NameRule = "show"
    provider: ProviderRule = "show"


GUARDED = LabelPolicy("hash", "hash", "hash", "private")
"""Where the config that says it cannot be read: nothing leaves in the clear that it may have held back."""


@dataclass(frozen=True, slots=True)
class UsagePolicy:
    labels: LabelPolicy = LabelPolicy()
    retention_days: int = RETENTION_DAYS


def label_policy_in(members: Any) -> LabelPolicy:
    """A policy as it was stored with a usage file; GUARDED where that is no policy of this release."""
    try:
        return UsagePart(labels=LabelsPart.model_validate(members)).policy().labels
    except ValidationError:
        return GUARDED


def changes(before: UsagePolicy, after: UsagePolicy) -> Iterator[str]:
    """What another policy changes, a line each."""
    for each in fields(LabelPolicy):
        old, new = getattr(before.labels, each.name), getattr(after.labels, each.name)
        if old != new:
            yield f"usage files: {each.name} names: {old} -> {new}"
    if before.retention_days != after.retention_days:
        yield f"exchanges are kept {before.retention_days} -> {after.retention_days} days"
