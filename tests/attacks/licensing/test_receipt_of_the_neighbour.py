"""Tries: a genuine receipt that is another site's, or of an epoch before this site's state was lost, to cover one's
own missing days.

Meets: `document_audience`.
"""

from __future__ import annotations

from licensing.receipt import open_receipt
from tests.attacks.licensing.hostile import TRUST, meets
from tests.licensing.documents import SITE, key, receipt_members, signed


def test_another_sites() -> None:
    data = signed("receipt", receipt_members(site="site-0002"), key("receipt-1"))
    with meets("document_audience"):
        open_receipt(data, TRUST, site=SITE, epoch=1)


def test_of_an_earlier_epoch() -> None:
    with meets("document_audience"):
        open_receipt(signed("receipt", receipt_members(epoch=1), key("receipt-1")), TRUST, site=SITE, epoch=2)


def test_ones_own_is_taken() -> None:
    open_receipt(signed("receipt", receipt_members(), key("receipt-1")), TRUST, site=SITE, epoch=1)
