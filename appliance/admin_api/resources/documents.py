"""`/trust`, `/time-tokens`, `/receipts`, `/site-request`: what comes from the vendor, and what goes there."""

from __future__ import annotations

import secrets
from typing import Any

from litestar.response import Response

from appliance.access.authorise import Permission
from appliance.admin_api.resources.models import Told
from appliance.admin_api.routes import OnDesk, route
from appliance.operations.site import request_document
from appliance.operations.time import take_time_token
from appliance.operations.trust import examine_trust, take_trust, trust_in_force
from appliance.operations.usage import take_receipt
from appliance.state.site import CHALLENGE_BYTES
from licensing.document import format_time

BYTES = "application/octet-stream"


class TrustTold(Told):
    trust: dict[str, Any]


class TrustStep(Told):
    version: int
    digest: str
    arrival: str


class DatedLater(Told):
    document: str
    serial: int
    issued_at: str


class TimeRepaired(Told):
    time_floor: str
    time_floor_before: str
    dated_later: list[DatedLater]


class ReceiptTold(Told):
    serial: int
    seq: int
    head: str
    accepted_until: str
    arrival: str


@route("GET", "/trust", Permission.TRUST_READ, "trust show")
def show_trust(desk: OnDesk) -> TrustTold:
    """The trust in force: roles, thresholds, keys, revocations."""
    return TrustTold(trust=trust_in_force(desk.site).model_dump(mode="json", by_alias=True))


@route(
    "POST",
    "/trust",
    Permission.TRUST_WRITE,
    "trust import",
    asks_twice=True,
    document="the vendor's next trust document",
    status=201,
)
def import_trust_(desk: OnDesk) -> TrustStep:
    """Follow the vendor's trust to its next version. What is signed by those it no longer trusts stops with it."""
    found = examine_trust(desk.site, desk.call.body)
    desk.agree(
        f"Trust version {found.version} ({found.digest}) would be followed; a licence or config whose signers are no "
        "longer trusted stops with it."
    )
    step = take_trust(desk.site, desk.call.body, desk.now)
    return TrustStep(version=step.version, digest=step.digest, arrival=step.arrival.value)


@route(
    "POST",
    "/time-tokens",
    Permission.TRUST_WRITE,
    "time import",
    asks_twice=True,
    document="a time token",
    status=201,
)
def import_time_token_(desk: OnDesk) -> TimeRepaired:
    """Repair the time floor with a token from the vendor, made for this site's last request. It works once."""
    desk.site.require(Permission.TRUST_WRITE)
    desk.agree("The time floor would be set to the hour that the vendor vouches for, also where that is earlier.")
    entropy = secrets.token_bytes(CHALLENGE_BYTES)
    done = take_time_token(desk.site, desk.call.body, now=desk.now, entropy=entropy)
    return TimeRepaired(
        time_floor=format_time(done.floor.at),
        time_floor_before=format_time(done.before.at),
        dated_later=[
            DatedLater(document=each.slot, serial=each.serial, issued_at=format_time(each.issued_at))
            for each in done.ahead
        ],
    )


@route("POST", "/receipts", Permission.USAGE_WRITE, "receipt import", document="a receipt", status=201)
def import_receipt_(desk: OnDesk) -> ReceiptTold:
    """Record the vendor's acknowledgement of usage."""
    receipt, arrival = take_receipt(desk.site, desk.call.body, desk.now)
    return ReceiptTold(
        serial=receipt.serial,
        seq=receipt.seq,
        head=receipt.head,
        accepted_until=format_time(receipt.accepted_until),
        arrival=arrival.value,
    )


@route("POST", "/site-request", Permission.MEDIA_WRITE, "site request", media_type=BYTES)
def request_of_site(desk: OnDesk) -> Response[bytes]:
    """A fresh request of this site for a licence, signed by its own key, to be carried to the vendor."""
    return Response(request_document(desk.site, desk.now), media_type=BYTES)


ROUTES = (show_trust, import_trust_, import_time_token_, import_receipt_, request_of_site)
