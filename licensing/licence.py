"""The licence: what one site may do, until when, and what it owes in return.

`open_licence` answers only whether the vendor said this. Whether it holds here and now is `standing.judge`'s question.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from licensing.binding import Binding
from licensing.document import Body, Claims, Name, Timestamp, Verified
from licensing.edition import EditionName, FeatureName, unlocks
from licensing.envelope import parse
from licensing.trust import KeyRecord, Trust

LicenceId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{2,63}$")]
Pattern = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:/*?+@-]{1,128}$")]


class Caps(Claims):
    """For the whole site, per minute; absent means unlimited."""

    rpm: int | None = Field(default=None, ge=1)
    tpm: int | None = Field(default=None, ge=1)
    seats: int | None = Field(default=None, ge=1)


class UsageDuty(Claims):
    """How often usage must reach the vendor, in days, and what happens when it is late."""

    report_every_days: int = Field(ge=1, le=3660)
    when_overdue: Literal["warn", "block"] = "warn"


class Delegation(Claims):
    """The config role in the customer's own hands: its officers' keys, and how many must sign (four eyes)."""

    keys: tuple[KeyRecord, ...] = Field(min_length=1, max_length=32)
    threshold: int = Field(ge=1, le=32)
    epoch: int = Field(ge=1)

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if len({record.key for record in self.keys}) != len(self.keys):
            raise ValueError("a key is delegated to twice")
        if self.threshold > len(self.keys):
            raise ValueError("the delegation can never reach its threshold")
        return self


class Licence(Body):
    KIND: ClassVar[str] = "licence"

    kind: Literal["licence"] = "licence"
    licence: LicenceId
    customer: Name
    binding: Binding
    edition: EditionName
    add_ons: tuple[Name, ...] = ()
    caps: Caps = Caps()
    models: tuple[Pattern, ...] = Field(min_length=1)
    not_before: Timestamp
    expires_at: Timestamp
    grace_days: int = Field(default=0, ge=0, le=366)
    clock_tolerance_seconds: int = Field(default=300, ge=0, le=7 * 86_400)
    usage: UsageDuty | None = None
    config_delegation: Delegation | None = None

    @model_validator(mode="after")
    def _dates_in_order(self) -> Self:
        if self.expires_at <= self.not_before:
            raise ValueError("expires_at is not after not_before")
        return self

    def has(self, feature: FeatureName) -> bool:
        """Whether the edition or an add-on of this licence unlocks the feature."""
        return unlocks(self.edition, self.add_ons, feature)

    def allows_model(self, alias: str) -> bool:
        """Whether the allow-list covers this alias. Patterns know `*` and `?`; case matters."""
        return any(fnmatchcase(alias, pattern) for pattern in self.models)


def open_licence(data: bytes, trust: Trust) -> Verified[Licence]:
    """The licence in these bytes, signed by the role `licence`. Raises Malformed, WrongKind, SignatureRefused."""
    verified = trust.verify(parse(data), role="licence", payload_type=Licence.payload_type())
    claims = Licence.from_verified(verified)
    return Verified(claims, verified.digest, verified.signers, "licence", trust.key_epoch("licence"))
