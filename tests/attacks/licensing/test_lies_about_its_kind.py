"""Tries: a body whose `kind` is a list, in other letters, has a NUL or is missing, under a genuine signature of the
right payload type.

Meets: `document_kind`.
"""

from __future__ import annotations

import json

import pytest

from licensing.site_request import open_site_request
from tests.attacks.licensing.hostile import meets
from tests.licensing.documents import key, signed, site_request_members

REQUEST = json.dumps(site_request_members(), separators=(",", ":")).encode()
KINDS = {
    "a list": b'"kind":["site-request"]',
    "in other letters": b'"kind":"Site-Request"',
    "with a NUL": b'"kind":"site-request\\u0000"',
    "deep": b'"kind":' + b"[" * 900 + b"]" * 900,
    "none": b'"kinds":"site-request"',
    "of another": b'"kind":"licence"',
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_it_is_of_no_kind(kind: bytes) -> None:
    body = REQUEST.replace(b'"kind":"site-request"', kind)
    assert body != REQUEST
    with meets("document_kind"):
        open_site_request(signed("site-request", body, key("site")))


def test_the_honest_one_is_read() -> None:
    open_site_request(signed("site-request", REQUEST, key("site")))
