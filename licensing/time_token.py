"""The time token: the vendor's word, for one site and one use, that a given hour is the true one.

It is the way out for a site whose time floor was poisoned by a clock gone wild: it alone may lower the floor. It
answers a challenge that the site made up and keeps until a token has used it, so it can be neither stocked nor used
twice.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from licensing.document import Body, SiteId, Verified
from licensing.envelope import parse
from licensing.errors import WrongAudience
from licensing.trust import Trust

Challenge = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class TimeToken(Body):
    """`issued_at` is the hour vouched for; `challenge` is the site's own, from its site request."""

    KIND: ClassVar[str] = "time"

    kind: Literal["time"] = "time"
    site: SiteId
    epoch: int = Field(ge=1)
    challenge: Challenge


def open_time_token(data: bytes, trust: Trust, *, site: str, epoch: int, challenge: str) -> Verified[TimeToken]:
    """A token that answers this site's present challenge, signed by the role `time`.

    Raises Malformed, WrongKind, SignatureRefused, WrongAudience.
    """
    verified = trust.verify(parse(data), role="time", payload_type=TimeToken.payload_type())
    claims = TimeToken.from_verified(verified)
    if (claims.site, claims.epoch) != (site, epoch):
        raise WrongAudience(
            f"The time token is for site {claims.site!r} in epoch {claims.epoch}; this is {site!r} in epoch {epoch}."
        )
    if claims.challenge != challenge:
        raise WrongAudience(
            "The time token answers a challenge that this site no longer asks: it was used, or is an old one.",
            remedy="Carry a fresh site request (ao site request) to the vendor and ask for a new token.",
        )
    return Verified(claims, verified.digest, verified.signers, "time", trust.key_epoch("time"))
