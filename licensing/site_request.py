"""The site request: how a site introduces itself and its own key to the vendor.

It is signed by the very key that it presents, which proves possession and nothing more; who the site is, the vendor
learns from the person who hands the file over.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from licensing.binding import HardwareFacts
from licensing.document import Body, KeyBytes, Name, SiteId, Verified
from licensing.envelope import VerifiedBody, parse, verify
from licensing.time_token import Challenge
from licensing.trust import KeyRecord


class SiteRequest(Body):
    """`sealing_key` is an X25519 public key: secrets on their way to this site are sealed to it.

    `challenge` is what a time token must answer; `hardware` are salted digests that a licence may be bound to.
    """

    KIND: ClassVar[str] = "site-request"

    kind: Literal["site-request"] = "site-request"
    site: SiteId
    name: Name
    epoch: int = Field(ge=1)
    key: KeyRecord
    sealing_key: KeyBytes = Field(min_length=32, max_length=32)
    product_version: Name
    challenge: Challenge | None = None
    hardware: HardwareFacts = Field(default_factory=dict)


def open_site_request(data: bytes) -> Verified[SiteRequest]:
    """The request in these bytes, signed by the key within. Raises Malformed, WrongKind, SignatureRefused."""
    envelope = parse(data)
    claimed = SiteRequest.from_verified(VerifiedBody(envelope.payload_type, envelope.body, ()))
    verified = verify(envelope, payload_type=SiteRequest.payload_type(), keys=[claimed.key.key], threshold=1)
    return Verified(claimed, verified.digest, verified.signers, "site", claimed.epoch)
