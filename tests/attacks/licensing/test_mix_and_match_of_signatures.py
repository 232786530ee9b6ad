"""Tries: two officers each signed another version of the config; their signatures are pooled under one of them.

Meets: `signature_refused`.
"""

from __future__ import annotations

from licensing.document import PAYLOAD_TYPES
from licensing.envelope import Envelope
from tests.attacks.licensing.hostile import TRUST, meets
from tests.licensing.documents import envelope_of, key


def test_each_signed_something_else() -> None:
    first = envelope_of("config", {"serial": 1}, key("officer-1"))
    second = envelope_of("config", {"serial": 2}, key("officer-2"))
    pooled = Envelope(first.payload_type, first.body, first.signatures + second.signatures)
    with meets("signature_refused"):
        TRUST.verify(pooled, role="config", payload_type=PAYLOAD_TYPES["config"])
