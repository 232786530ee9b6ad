"""Tries: keys of one role, all of them genuine, signing for another: officers a licence, a site its own receipt, every
role's key everything that is not its own.

Meets: `signature_refused`.
"""

from __future__ import annotations

import pytest

from licensing.document import PAYLOAD_TYPES
from licensing.receipt import open_receipt
from licensing.trust import RoleName
from tests.attacks.licensing.hostile import OFFICERS, TRUST, import_licence, meets
from tests.licensing.documents import ROLE_KEYS, SITE, envelope_of, key, keys, licence_members, receipt_members, signed

KEY_OF = {role: names[0] for role, names in ROLE_KEYS.items() if role != "root"}
ROLES: tuple[RoleName, ...] = ("licence", "receipt", "time", "release")


def test_officers_issue_a_licence() -> None:
    with meets("signature_refused"):
        import_licence(signed("licence", licence_members(), *OFFICERS))


def test_a_site_acknowledges_itself() -> None:
    with meets("signature_refused"):
        open_receipt(signed("receipt", receipt_members(), key("site")), TRUST, site=SITE, epoch=1)


@pytest.mark.parametrize(
    ("kind", "signer"), [(kind, signer) for kind in ROLES for signer in sorted({*KEY_OF, "root"}) if signer != kind]
)
def test_no_key_signs_for_another_role(kind: RoleName, signer: str) -> None:
    names = ("root-1", "root-2") if signer == "root" else (KEY_OF[signer], KEY_OF[signer].replace("-1", "-2"))
    envelope = envelope_of(kind, licence_members(), *keys(*names))
    with meets("signature_refused"):
        TRUST.verify(envelope, role=kind, payload_type=PAYLOAD_TYPES[kind])
