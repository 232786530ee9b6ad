"""Tries: a usage file for this site, signed by another site's key.

Meets: `signature_refused`.
"""

from __future__ import annotations

from licensing.usage import open_usage
from tests.attacks.licensing.hostile import meets
from tests.licensing.documents import key, signed, usage_members


def test_only_the_sites_own_key_counts() -> None:
    with meets("signature_refused"):
        open_usage(signed("usage", usage_members(), key("other-site")), key("site").public_key)


def test_the_sites_own_is_read() -> None:
    open_usage(signed("usage", usage_members(), key("site")), key("site").public_key)
