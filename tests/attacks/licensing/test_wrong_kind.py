"""Tries: a document of one kind where another is expected, by keys that hold both roles; or the right key over the
right payload type with a body of another kind.

Meets: `document_kind`.
"""

from __future__ import annotations

import pytest

from licensing.document import PAYLOAD_TYPES
from licensing.receipt import open_receipt
from tests.attacks.licensing.hostile import TRUST, import_licence, meets
from tests.licensing.documents import ROLE_KEYS, SITE, key, licence_members, signed, trust


def test_a_receipt_as_a_licence() -> None:
    both = trust(role_keys=dict(ROLE_KEYS) | {"receipt": ("licence-1",)})
    with meets("document_kind"):
        import_licence(signed("receipt", licence_members(), key("licence-1")), into=both)


def test_a_licence_body_as_a_receipt() -> None:
    with meets("document_kind"):
        open_receipt(signed("receipt", licence_members(), key("receipt-1")), TRUST, site=SITE, epoch=1)


@pytest.mark.parametrize("kind", sorted(set(PAYLOAD_TYPES) - {"licence"}))
def test_every_other_kind_as_a_licence(kind: str) -> None:
    with meets("document_kind"):
        import_licence(signed(kind, licence_members(), key("licence-1")))
