"""Tries: meeting a threshold of two by signing twice with one root key, the second signature under the other root's
key id.

Meets: `signature_refused`.
"""

from __future__ import annotations

from licensing.envelope import Envelope, Signature, to_json
from licensing.trust import pin
from tests.attacks.licensing.hostile import meets
from tests.licensing.documents import envelope_of, key, trust_members


def test_it_counts_once() -> None:
    once = envelope_of("trust", trust_members(), key("root-1"))
    twice = tuple(Signature(key(name).keyid, once.signatures[0].sig) for name in ("root-1", "root-2"))
    with meets("signature_refused"):
        pin(to_json(Envelope(once.payload_type, once.body, twice)))
