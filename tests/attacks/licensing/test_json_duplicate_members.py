"""Tries: a member twice, which two readers take differently: a second payload, type or signature in the envelope, a
second expiry under a genuine signature.

Meets: `document_malformed`.
"""

from __future__ import annotations

import pytest

from tests.attacks.licensing.hostile import around, base64_of_nothing, refuses, under

ENVELOPES = {
    "payload": around('"payload":', f'"payload":"{base64_of_nothing()}","payload":'),
    "payload type": around('"payloadType":', '"payloadType":"x","payloadType":'),
    "spelt with an escape": around('"payload":', '"\\u0070ayload":"","payload":'),
    "sig": around('"sig":', '"sig":"","sig":'),
}


@pytest.mark.parametrize("data", ENVELOPES.values(), ids=ENVELOPES)
def test_in_the_envelope(data: bytes) -> None:
    refuses(data)


def test_an_expiry_twice_the_later_one_first() -> None:
    refuses(under('"expires_at":', '"expires_at":"2099-01-01T00:00:00Z","expires_at":'))
