"""Tries: half a character: as an escape in a key id, payload type or name, as bytes, or as an overlong spelling.

Meets: `document_malformed`.
"""

from __future__ import annotations

import pytest

from tests.attacks.licensing.hostile import around, refuses, under

ENVELOPES = {
    "in a key id": around('"keyid":"', '"keyid":"\\ud800'),
    "in the payload type": around('"payloadType":"', '"payloadType":"\\udfff'),
    "as bytes": around(b'"keyid":"', b'"keyid":"\xed\xa0\x80'),
    "an overlong slash": around(b'"keyid":"', b'"keyid":"\xc0\xaf'),
}


@pytest.mark.parametrize("data", ENVELOPES.values(), ids=ENVELOPES)
def test_in_the_envelope(data: bytes) -> None:
    refuses(data)


def test_in_a_customers_name() -> None:
    refuses(under('"customer":"', '"customer":"\\ud800'))
