"""The receipt: the vendor's word that usage up to a file was accepted. It doubles as a witness of time."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from licensing.document import Body, Digest, SiteId, Timestamp, Verified
from licensing.envelope import parse
from licensing.errors import WrongAudience
from licensing.licence import LicenceId
from licensing.trust import Trust


class Receipt(Body):
    """Everything up to and including file `seq`, whose body has the digest `head`, was accepted."""

    KIND: ClassVar[str] = "receipt"

    kind: Literal["receipt"] = "receipt"
    site: SiteId
    epoch: int = Field(ge=1)
    licence: LicenceId | None = None
    seq: int = Field(ge=1)
    head: Digest
    accepted_until: Timestamp


def open_receipt(data: bytes, trust: Trust, *, site: str, epoch: int) -> Verified[Receipt]:
    """A receipt for this site and epoch, signed by the role `receipt`.

    Raises Malformed, WrongKind, SignatureRefused, WrongAudience.
    """
    verified = trust.verify(parse(data), role="receipt", payload_type=Receipt.payload_type())
    claims = Receipt.from_verified(verified)
    if (claims.site, claims.epoch) != (site, epoch):
        raise WrongAudience(
            f"The receipt is for site {claims.site!r} in epoch {claims.epoch}; this is {site!r} in epoch {epoch}."
        )
    return Verified(claims, verified.digest, verified.signers, "receipt", trust.key_epoch("receipt"))
