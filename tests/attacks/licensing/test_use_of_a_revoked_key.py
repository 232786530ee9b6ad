"""Tries: a licence signed by a key that the trust in force revokes.

Meets: `signature_refused`.
"""

from __future__ import annotations

from tests.attacks.licensing.hostile import import_licence, licence_file, meets
from tests.licensing.documents import trust


def test_it_signs_nothing() -> None:
    with meets("signature_refused"):
        import_licence(licence_file(), into=trust(revoked_keys=["licence-1"]))
