"""Vouching for the hour: a time token that answers the challenge in a site's request.

Promise: memory first, as everything that leaves the desk. Each challenge is answered once: a token that was lost on its
way out is written again as it was, and whoever asks for another hour needs a fresh request of the site."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from licensing.algorithms import digest
from licensing.document import format_time
from licensing.site_request import SiteRequest, open_site_request
from licensing.strict_json import canonical
from licensing.time_token import TimeToken, open_time_token
from licensing.vendor.countersign import can_be_handed_out_again, sign_together
from licensing.vendor.errors import ChallengeRefused, SiteChanged, SiteUnknown
from licensing.vendor.home import Home
from licensing.vendor.memory import Enrolment, Issued
from licensing.vendor.operations import Delivered, deliver, require_free
from licensing.vendor.unlock import Unlock
from media.naming import naming
from media.reader import LIMITS, read_document


def issue_time_token(
    home: Home, request_file: Path, out: Path, *, at: datetime | None, unlock: Unlock, now: datetime
) -> Delivered:
    """A token for the site whose request this is, saying that it is `at` (None: now)."""
    document = read_document(request_file, limit=LIMITS["site-request"])
    with naming(request_file):
        request = open_site_request(document)
    asked = request.claims
    order = digest(canonical({"request": request.digest, "at": None if at is None else format_time(at)}))
    if asked.challenge is None:
        raise ChallengeRefused("The site request holds no challenge for a time token to answer.")
    trust = home.trust().claims
    with home.memory() as memory:
        signers = home.signers(trust, "time", unlock)
        with memory.transaction():
            home.require_settled(memory, trust)
            known = memory.current_enrolment(asked.site)
            enrolment = require_same(asked, known)
            before = memory.time_token_answering(asked.site, asked.challenge)
            if before is None:
                require_free(out)
                claims = TimeToken(
                    schema_version=1,
                    serial=memory.last_time_serial(asked.site) + 1,
                    issued_at=at or now,
                    site=asked.site,
                    epoch=asked.epoch,
                    challenge=asked.challenge,
                )
                signed = sign_together(TimeToken.payload_type(), claims.to_bytes(), signers, trust, "time")
                if signed.quorum.complete:
                    open_time_token(
                        signed.document, trust, site=asked.site, epoch=asked.epoch, challenge=asked.challenge
                    )
                issued = Issued(asked.site, claims.serial, order, signed.document, now, delivered=False)
                memory.record_time_token(
                    issued, enrolment=enrolment.number, challenge=asked.challenge, digest=signed.digest
                )
            elif (
                before.delivered
                or before.order != order
                or not can_be_handed_out_again(before.document, trust, "time", signers)
            ):
                raise ChallengeRefused(
                    f"The challenge in this request was answered before, on {format_time(before.at)}, by time token "
                    f"{before.serial} of the site."
                )
            else:
                issued = before
        return deliver(memory, "time", issued, out, trust, name=asked.site)


def require_same(asked: SiteRequest, known: Enrolment | None) -> Enrolment:
    """The site's present enrolment, if the request comes from that very key and epoch. Raises SiteUnknown,
    SiteChanged."""
    if known is None:
        raise SiteUnknown(f"No site {asked.site!r} was ever enrolled.")
    if (known.key, known.epoch) != (asked.key.key, asked.epoch):
        raise SiteChanged(
            f"Site {asked.site!r} is known with key {known.key.keyid[:12]} in epoch {known.epoch}; the request "
            f"presents key {asked.key.key.keyid[:12]} in epoch {asked.epoch}.",
            remedy="Hear from a person at the site why; if all is well, issue it a licence with --re-enrol first.",
        )
    return known
