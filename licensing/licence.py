"""The licence: what one site may do, until when, and what it owes in return.

`open_licence` answers only whether the vendor said this. Whether it holds here and now is `standing.judge`'s question.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from licensing.document import Body, Claims, Name, SiteId, Timestamp, Verified
from licensing.edition import EditionName
from licensing.envelope import parse
from licensing.trust import KeyId, Trust

LicenceId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{2,63}$")]
Pattern = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:/*?+@-]{1,128}$")]


class Binding(Claims):
    """The one site that the licence is for: its id, its own key, and the epoch of its state."""

    site: SiteId
    key: KeyId
    epoch: int = Field(ge=1)


class Caps(Claims):
    """For the whole site, per minute; absent means unlimited."""

    rpm: int | None = Field(default=None, ge=1)
    tpm: int | None = Field(default=None, ge=1)
    seats: int | None = Field(default=None, ge=1)


class UsageDuty(Claims):
    """How often usage must reach the vendor, in days, and what happens when it is late."""

    report_every_days: int = Field(ge=1, le=3660)
    when_overdue: Literal["warn", "block"] = "warn"


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

    @model_validator(mode="after")
    def _dates_in_order(self) -> Self:
        if self.expires_at <= self.not_before:
            raise ValueError("expires_at is not after not_before")
        return self

    def allows_model(self, alias: str) -> bool:
        """Whether the allow-list covers this alias. Patterns know `*` and `?`; case matters."""
        return any(fnmatchcase(alias, pattern) for pattern in self.models)


def open_licence(data: bytes, trust: Trust) -> Verified[Licence]:
    """The licence in these bytes, signed by the role `licence`. Raises Malformed, WrongKind, SignatureRefused."""
    verified = trust.verify(parse(data), role="licence", payload_type=Licence.payload_type())
    claims = Licence.from_verified(verified)
    return Verified(claims, verified.digest, verified.signers, "licence", trust.key_epoch("licence"))
