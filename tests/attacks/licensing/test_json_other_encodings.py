"""Tries: a byte order mark or UTF-16, which some readers take for the same text.

Meets: `document_malformed`.
"""

from __future__ import annotations

import pytest

from tests.attacks.licensing.hostile import BODY, FILE, refuses
from tests.licensing.documents import key, signed


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_text_is_utf8(encoding: str) -> None:
    refuses(FILE.decode().encode(encoding))
    refuses(signed("licence", BODY.decode().encode(encoding), key("licence-1")))
