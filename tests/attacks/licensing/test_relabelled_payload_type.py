"""Tries: changing the envelope's payload type so that a usage file passes as a site request.

Meets: `signature_refused`: the type is signed.
"""

from __future__ import annotations

import json

from licensing.document import PAYLOAD_TYPES
from licensing.site_request import open_site_request
from tests.attacks.licensing.hostile import meets
from tests.licensing.documents import key, signed, site_request_members


def test_the_type_is_signed() -> None:
    usage = json.loads(signed("usage", site_request_members(), key("site")))
    with meets("signature_refused"):
        open_site_request(json.dumps(usage | {"payloadType": PAYLOAD_TYPES["site-request"]}).encode())
