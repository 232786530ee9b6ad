"""Tries: base64 without padding, with padding inside, or with more of it.

Meets: `document_malformed`.
"""

from __future__ import annotations

import pytest

from tests.attacks.licensing.hostile import PAYLOAD, SIG, around, refuses

SPELLINGS = {
    "payload without": around(PAYLOAD, PAYLOAD.rstrip("=") + "A"),
    "payload with some inside": around(PAYLOAD, "eyI=" + PAYLOAD),
    "sig without": around(SIG, SIG.rstrip("=")),
    "sig with more": around(SIG, SIG + "="),
}


@pytest.mark.parametrize("data", SPELLINGS.values(), ids=SPELLINGS)
def test_there_is_one_spelling(data: bytes) -> None:
    refuses(data)
