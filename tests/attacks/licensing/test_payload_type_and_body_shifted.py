"""Tries: moving bytes across the border between payload type and body, which a scheme that signs their mere
concatenation would not see.

Meets: `document_kind` or `signature_refused`: the lengths are signed (PAE).
"""

from __future__ import annotations

from licensing.envelope import Envelope, parse, to_json
from tests.attacks.licensing.hostile import FILE, TRUST, meets, refuses


def test_the_border_is_signed() -> None:
    genuine = parse(FILE)
    shifted = Envelope(genuine.payload_type[:-1], genuine.payload_type[-1:].encode() + genuine.body, genuine.signatures)
    refuses(to_json(shifted), "document_kind")
    with meets("signature_refused"):
        TRUST.verify(shifted, role="licence", payload_type=shifted.payload_type)
