"""Tries: base64 in both alphabets at once, in letters that look alike, or in hexadecimal.

Meets: `document_malformed`. One of the two alphabets (RFC 4648 §4, §5) throughout is read, and is the same bytes.
"""

from __future__ import annotations

import base64
import json

import pytest

from licensing.licence import open_licence
from tests.attacks.licensing.hostile import FILE, PAYLOAD, SIG, TRUST, around, refuses

SPELLINGS = {
    "both alphabets": around(PAYLOAD, PAYLOAD[:-4] + "-/AA"),
    "letters that look alike": around(PAYLOAD, "\u0435" + PAYLOAD[1:]),
    "hexadecimal": around(SIG, base64.b64decode(SIG).hex() + "="),
}


@pytest.mark.parametrize("data", SPELLINGS.values(), ids=SPELLINGS)
def test_it_is_no_base64(data: bytes) -> None:
    refuses(data)


def test_either_alphabet_throughout_is_read() -> None:
    url_safe = json.loads(FILE)
    url_safe["payload"] = PAYLOAD.replace("+", "-").replace("/", "_")
    url_safe["signatures"][0]["sig"] = SIG.replace("+", "-").replace("/", "_")
    assert open_licence(json.dumps(url_safe).encode(), TRUST) == open_licence(FILE, TRUST)
