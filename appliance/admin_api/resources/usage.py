"""`/usage`: what was used, sealed into files for the vendor."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from litestar.params import JSONBody, PathParameter, QueryParameter
from litestar.response import Response

from appliance.access.authorise import Permission
from appliance.admin_api.answer import Limit, Offset, page
from appliance.admin_api.resources.models import Body, Name, Told
from appliance.admin_api.routes import OnDesk, route
from appliance.ledger.seal import Sealed
from appliance.operations.usage import (
    every_file,
    held_back,
    prove_exchange,
    seal_due,
    seal_now,
    unacknowledged_files,
    usage_file,
    uses,
)
from licensing.document import format_time

BYTES = "application/octet-stream"
Seq = Annotated[int, PathParameter(ge=1, le=2**53)]


class UseTold(Told):
    team: str
    model: str
    requests: int
    errors: int
    interrupted: int
    prompt_tokens: int
    completion_tokens: int
    estimated_tokens: int


class UsePage(Told):
    """Totals of all exchanges that the vendor has not acknowledged."""

    items: list[UseTold]
    total: int
    next_offset: int | None


class FileTold(Told):
    seq: int
    name: str
    start: str
    end: str
    digest: str


class FilePage(Told):
    items: list[FileTold]
    total: int
    next_offset: int | None


class SealAsked(Body):
    """`running`: also close the day that is running, at this second."""

    running: bool = False


class SealDone(Told):
    """`held_back`: days that are over by a clock that is not believed yet; it is vouched for at the host."""

    files: list[FileTold]
    held_back: int


@route("GET", "/usage", Permission.USAGE_READ, "usage show")
def list_usage(desk: OnDesk, limit: Limit = 100, offset: Offset = 0) -> UsePage:
    """Totals per team and model that the vendor has not acknowledged."""
    return UsePage(**page([UseTold(**asdict(each)) for each in uses(desk.site, desk.now)], limit, offset))


@route("POST", "/usage/seal", Permission.USAGE_WRITE, "usage seal", asks_twice=True)
def seal_usage(desk: OnDesk, data: JSONBody[SealAsked]) -> SealDone:
    """Seal every day that is over into its usage file, for ever."""
    desk.site.require(Permission.USAGE_WRITE)
    desk.agree(
        "Every day that is over would be sealed for ever"
        + (", and the day that is running closed at this second." if data.running else ".")
    )
    # What ended within this very second belongs to the period that is being closed.
    now = desk.next_second() if data.running else desk.now
    sealed = seal_now(desk.site, now) if data.running else seal_due(desk.site, now)
    return SealDone(files=[_file(each) for each in sealed], held_back=held_back(desk.site, now))


@route("GET", "/usage/files", Permission.USAGE_READ, "usage export")
def list_usage_files(
    desk: OnDesk,
    acknowledged: Annotated[bool, QueryParameter(description="Also those that the vendor has acknowledged.")] = False,
    limit: Limit = 100,
    offset: Offset = 0,
) -> FilePage:
    """The sealed usage files, for the vendor."""
    files = every_file(desk.site) if acknowledged else unacknowledged_files(desk.site)
    return FilePage(**page([_file(each) for each in files], limit, offset))


@route("GET", "/usage/files/{seq:int}", Permission.USAGE_READ, "usage export", media_type=BYTES)
def usage_file_(desk: OnDesk, seq: Seq) -> Response[bytes]:
    """One sealed usage file, to be carried to the vendor: the very bytes that were signed."""
    found = usage_file(desk.site, seq)
    named = {"content-disposition": f'attachment; filename="{found.name}"'}
    return Response(found.data, media_type=BYTES, headers=named)


@route("GET", "/usage/proofs/{request_id:str}", Permission.USAGE_READ, "usage prove", media_type=BYTES)
def proof_of_usage(desk: OnDesk, request_id: Name) -> Response[bytes]:
    """The proof that one call is counted in a sealed usage file. It shows that call's entry and no other."""
    return Response(prove_exchange(desk.site, request_id).to_bytes(), media_type=BYTES)


def _file(sealed: Sealed) -> FileTold:
    return FileTold(
        seq=sealed.seq,
        name=sealed.name,
        start=format_time(sealed.period.start),
        end=format_time(sealed.period.end),
        digest=sealed.digest,
    )


ROUTES = (list_usage, seal_usage, list_usage_files, usage_file_, proof_of_usage)
