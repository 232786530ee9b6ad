"""Tries: members that this release does not know: a generous one in the body, a prototype's, and anything unsigned
beside the payload that a person or another program might believe.

Meets: `document_malformed`.
"""

from __future__ import annotations

import pytest

from tests.attacks.licensing.hostile import around, refuses, under


@pytest.mark.parametrize("member", ['"unlimited":true,', '"__class__":{},', '"Edition":"enterprise",'])
def test_in_a_body(member: str) -> None:
    refuses(under('"kind":', member + '"kind":'))


@pytest.mark.parametrize("member", ['"note":"approved by the vendor",', '"payload_sha256":"",', '"":0,'])
def test_beside_the_payload(member: str) -> None:
    refuses(around('"payload":', member + '"payload":'))


def test_beside_a_signature() -> None:
    refuses(around('"sig":', '"cert":"","sig":'))
