"""Tries: line breaks and spaces within base64, which many readers skip.

Meets: `document_malformed`.
"""

from __future__ import annotations

import pytest

from tests.attacks.licensing.hostile import PAYLOAD, SIG, around, refuses


@pytest.mark.parametrize("gap", ["\\n", " ", "\\t", "\\r\\n", "\\u0000"])
def test_none_is_skipped(gap: str) -> None:
    refuses(around(PAYLOAD, PAYLOAD[:76] + gap + PAYLOAD[76:]))
    refuses(around(SIG, SIG[:4] + gap + SIG[4:]))
