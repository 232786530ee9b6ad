"""Tries: what lenient readers forgive: a comma too many, a comment, a list around the document, a body that is a list,
or no body.

Meets: `document_malformed`.
"""

from __future__ import annotations

import pytest

from tests.attacks.licensing.hostile import BODY, FILE, around, refuses
from tests.licensing.documents import key, signed


@pytest.mark.parametrize(
    "data",
    [around("]}", "],}"), around("{", "{/* */"), b"[" + FILE + b"]", around('"payloadType"', "'payloadType'")],
    ids=["comma", "comment", "list", "quotes"],
)
def test_an_envelope_is_one_object(data: bytes) -> None:
    refuses(data)


@pytest.mark.parametrize("body", [b"[" + BODY + b"]", b"", b"null", b'"{}"'])
def test_a_body_is_one_object(body: bytes) -> None:
    refuses(signed("licence", body, key("licence-1")))
