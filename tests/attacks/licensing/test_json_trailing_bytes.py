"""Tries: bytes behind the document: a second one, a NUL, text; behind the envelope and behind the body.

Meets: `document_malformed`.
"""

from __future__ import annotations

import pytest

from tests.attacks.licensing.hostile import BODY, FILE, refuses
from tests.licensing.documents import key, signed


@pytest.mark.parametrize("tail", [FILE, b"\x00", b"x", b",", b"{}"])
def test_behind_the_envelope(tail: bytes) -> None:
    refuses(FILE + tail)


@pytest.mark.parametrize("tail", [b"x", b"{}", b"\x00"])
def test_behind_the_body(tail: bytes) -> None:
    refuses(signed("licence", BODY + tail, key("licence-1")))
