"""`/audit`: who did what to this site."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from litestar.params import QueryParameter
from litestar.response import Stream

from appliance.access.authorise import Permission
from appliance.admin_api.answer import Limit, Offset, page
from appliance.admin_api.resources.models import Named, Told, moment_in
from appliance.admin_api.routes import OnDesk, route
from appliance.errors import AuditBroken
from appliance.observe.audit import Asked
from appliance.operations.audit import export_trail, read_trail, verify_trail

NDJSON = "application/x-ndjson"
_PIECE = 64 * 1024
After = Annotated[int, QueryParameter(ge=0, le=2**53, description="Only entries after this one.")]


class EntryTold(Told):
    seq: int
    at: str
    who: str
    act: str
    subject: str
    before: str | None
    after: str | None
    detail: dict[str, Any]
    previous: str
    digest: str


class EntryPage(Told):
    items: list[EntryTold]
    total: int
    next_offset: int | None


class TrailTold(Told):
    entries: int
    head: str
    sentence: str


@route("GET", "/audit", Permission.AUDIT_READ, "audit list", "audit search")
def search_audit(
    desk: OnDesk,
    who: Named = None,
    act: Named = None,
    since: Named = None,
    until: Named = None,
    text: Named = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> EntryPage:
    """Entries that have all that is asked for, the newest first. `since` and `until` as in 2027-03-01T00:00:00Z."""
    asked = Asked(
        who=who,
        act=act,
        since=moment_in(since, "since") if since is not None else None,
        until=moment_in(until, "until") if until is not None else None,
        text=text,
    )
    found = read_trail(desk.site, fits=asked.fits)[::-1]
    whole = page(found, limit, offset)
    return EntryPage(**{**whole, "items": [EntryTold(**each.as_dict()) for each in whole["items"]]})


@route("GET", "/audit/verify", Permission.AUDIT_READ, "audit verify")
def verify_audit(desk: OnDesk) -> TrailTold:
    """Check that no entry was edited, removed, reordered or cut off."""
    verdict = verify_trail(desk.site)
    if verdict.first_bad is not None:
        raise AuditBroken(verdict.sentence, where=f"audit entry {verdict.first_bad}")
    return TrailTold(entries=verdict.entries, head=verdict.head, sentence=verdict.sentence)


@route("GET", "/audit/export", Permission.AUDIT_READ, "audit export", media_type=NDJSON)
def export_audit(desk: OnDesk, after: After = 0) -> Stream:
    """The trail as NDJSON, an entry a line, and an end that the site signs: ao audit verify FILE checks it anywhere."""
    return Stream(_pieces(export_trail(desk.site, desk.now, after=after)), media_type=NDJSON)


def _pieces(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data), _PIECE):
        yield data[at : at + _PIECE]


ROUTES = (search_audit, verify_audit, export_audit)
