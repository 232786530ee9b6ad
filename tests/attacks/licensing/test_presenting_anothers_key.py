"""Tries: a site request with the public key of a site whose private key the thief does not hold.

Meets: `signature_refused`.
"""

from __future__ import annotations

from licensing.site_request import open_site_request
from tests.attacks.licensing.hostile import THIEF, meets
from tests.licensing.documents import signed, site_request_members


def test_possession_must_be_proven() -> None:
    with meets("signature_refused"):
        open_site_request(signed("site-request", site_request_members(), THIEF))
