"""The receipt: for this site, in this epoch, from the role that gives receipts."""

from __future__ import annotations

from typing import Any

import pytest

from licensing.errors import Malformed, SignatureRefused, WrongAudience, WrongKind
from licensing.receipt import Receipt, open_receipt
from tests.licensing.documents import SITE, at, key, receipt_members, signed, trust, usage_members


def receipt(signer: str = "receipt-1", **changes: Any) -> bytes:
    return signed("receipt", receipt_members(**changes), key(signer))


def test_a_receipt_names_the_accepted_file_and_is_a_witness_of_time() -> None:
    opened = open_receipt(receipt(), trust(epochs={"receipt": 2}), site=SITE, epoch=1)
    assert (opened.claims.seq, opened.claims.head) == (9, "sha256:" + "ab" * 32)
    assert opened.claims.issued_at == at("2026-03-01 08:00:00")
    assert (opened.role, opened.key_epoch) == ("receipt", 2)


@pytest.mark.parametrize(("site", "epoch"), [("site-0002", 1), (SITE, 2), ("site-0002", 2)])
def test_a_receipt_for_another_site_or_epoch_is_refused(site: str, epoch: int) -> None:
    with pytest.raises(WrongAudience):
        open_receipt(receipt(), trust(), site=site, epoch=epoch)


@pytest.mark.parametrize("signer", ["root-1", "licence-1", "site", "stranger"])
def test_a_site_cannot_write_its_own_receipt(signer: str) -> None:
    with pytest.raises(SignatureRefused):
        open_receipt(receipt(signer), trust(), site=SITE, epoch=1)


def test_who_it_is_for_is_asked_only_once_it_is_genuine() -> None:
    with pytest.raises(SignatureRefused):
        open_receipt(receipt("stranger", site="site-0002"), trust(), site=SITE, epoch=1)


def test_a_usage_file_is_no_receipt() -> None:
    with pytest.raises(WrongKind):
        open_receipt(signed("usage", usage_members(), key("receipt-1")), trust(), site=SITE, epoch=1)


@pytest.mark.parametrize(
    "changes",
    [
        {"seq": 0},
        {"seq": "9"},
        {"head": "ab" * 32},
        {"head": "sha256:" + "AB" * 32},
        {"head": "md5:" + "ab" * 16},
        {"head": "sha256:" + "ab" * 32 + "\n"},
        {"epoch": 0},
        {"accepted_until": None},
    ],
)
def test_a_receipt_of_another_shape_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        Receipt.from_mapping(receipt_members(**changes))
