"""How an answer looks: refusals as everywhere in the product, lists a page at a time, nothing kept by anybody."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, TypeVar

from litestar.params import QueryParameter

from appliance.admin_api.errors import ConfirmationNeeded, NoSuchMethod
from licensing.errors import Refusal

T = TypeVar("T")

HEADERS = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""On every answer. There is no header that lets another origin's page read one."""

PAGE_LIMIT = 500

Limit = Annotated[int, QueryParameter(ge=1, le=PAGE_LIMIT, description="How many at most.")]
Offset = Annotated[int, QueryParameter(ge=0, le=2**31, description="How many to leave out from the beginning.")]


def page(rows: Sequence[T], limit: int, offset: int) -> dict[str, Any]:
    """`next_offset` is None on the last page."""
    end = offset + limit
    return {"items": list(rows[offset:end]), "total": len(rows), "next_offset": end if end < len(rows) else None}


def refusal_body(refusal: Refusal) -> bytes:
    told: dict[str, Any] = dict(refusal.as_dict())
    where = told.get("where", "")
    if where.startswith("--"):
        # An option of the command line is a member here.
        told["where"] = where.removeprefix("--").replace("-", "_")
    if isinstance(refusal, ConfirmationNeeded):
        told["confirm"] = refusal.confirmation()
    return json.dumps({"error": told}).encode()


def refusal_headers(refusal: Refusal) -> Iterable[tuple[bytes, bytes]]:
    if refusal.http_status == 401:
        yield b"www-authenticate", b"Bearer"
    if isinstance(refusal, NoSuchMethod) and refusal.allow:
        yield b"allow", refusal.allow.encode("latin-1")
