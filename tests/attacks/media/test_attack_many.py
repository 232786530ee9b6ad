"""Tries: more documents than anybody carries, each as large as it may be, to fill the memory and the operator's day."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from media.inbox import DOCUMENT_LIMIT
from media.reader import LIMITS
from tests.appliance.papers import receipt_bytes
from tests.attacks.media.hostile_stick import Stick, assert_medium_refused, make_stick, said_by

ALLOWED = DOCUMENT_LIMIT["to-site"]


def fill(stick: Stick, name: str, data: bytes, how_many: int) -> None:
    """Documents of some kind beside the genuine two."""
    for number in range(1, how_many + 1):
        (stick.inbox / name.format(number)).write_bytes(data)


def test_one_document_more_than_is_read_refuses_the_medium(tmp_path: Path) -> None:
    stick = make_stick(tmp_path)
    fill(stick, "receipt-{}.signed.json", b"{}", ALLOWED - 1)
    assert_medium_refused(stick, "media_too_large")


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("name", "begins", "size"),
    [
        ("receipt-{}.signed.json", b'{"a":' * 1000, LIMITS["receipt"]),
        ("trust-{}.json", b"", LIMITS["trust"]),
        ("licence-{}.json", b'{"payload":"', LIMITS["licence"]),
    ],
    ids=["receipts", "trust versions", "licences"],
)
def test_as_many_as_are_read_are_each_refused_within_the_bounds(
    tmp_path: Path, name: str, begins: bytes, size: int
) -> None:
    stick = make_stick(tmp_path)
    fill(stick, name, begins, ALLOWED - 2)
    for each in stick.inbox.glob(name.format("*")):
        os.truncate(each, size)  # the rest is a hole, and is read as zeros all the same
    exit_code, said = said_by(stick, "inspect")
    assert exit_code != 0
    assert said.count("[document_malformed]") == ALLOWED - 2


@pytest.mark.timeout(120)
def test_genuine_ones_without_end_are_each_verified_within_the_bounds(tmp_path: Path) -> None:
    stick = make_stick(tmp_path)
    with stick.site() as site:
        unknown = receipt_bytes(epoch=site.epoch, now=stick.now)
    fill(stick, "receipt-{}.signed.json", unknown, ALLOWED - 2)
    exit_code, said = said_by(stick, "inspect")
    assert exit_code != 0
    assert said.count("[usage_unknown]") == ALLOWED - 2
