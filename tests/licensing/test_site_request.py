"""The site request: whoever made it holds the key that it presents. It claims no more."""

from __future__ import annotations

from typing import Any

import pytest

from licensing.document import PAYLOAD_TYPES
from licensing.envelope import Envelope, Signature, to_json
from licensing.errors import AlgorithmUnknown, LicensingError, Malformed, SignatureRefused, WrongKind
from licensing.site_request import open_site_request
from licensing.strict_json import canonical
from tests.licensing.documents import base64_of, key, key_record, keys, signed, site_request_members

SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]


def request(*signers: str, **changes: Any) -> bytes:
    return signed("site-request", site_request_members(**changes), *keys(*(signers or ("site",))))


def test_a_request_is_signed_by_the_key_that_it_presents() -> None:
    opened = open_site_request(request())
    assert opened.claims.key.key == key("site").public_key
    assert (opened.signers, opened.role) == ((key("site").keyid,), "site")


@pytest.mark.parametrize("signer", ["stranger", "root-1", "licence-1"])
def test_a_key_that_somebody_else_holds_cannot_be_presented(signer: str) -> None:
    with pytest.raises(SignatureRefused):
        open_site_request(request(signer))


def test_another_key_beside_it_proves_nothing_more() -> None:
    assert open_site_request(request("stranger", "site")).signers == (key("site").keyid,)


def test_the_key_in_the_request_is_the_one_that_counts() -> None:
    data = request("stranger", key=key_record(key("stranger")))
    assert open_site_request(data).signers == (key("stranger").keyid,)


@pytest.mark.parametrize("public", SMALL_ORDER)
def test_a_key_that_needs_no_private_half_proves_no_possession(public: str) -> None:
    """For a point of small order anybody can write a signature: R the point itself or the neutral one, S nought."""
    key_bytes = bytes.fromhex(public)
    for number in range(16):
        record = {"algorithm": "ed25519", "public": base64_of(key_bytes)}
        body = canonical(site_request_members(key=record, serial=number))
        for first in (key_bytes, bytes.fromhex(SMALL_ORDER[0])):
            forged = Signature("", first + bytes(32))
            with pytest.raises(LicensingError):
                open_site_request(to_json(Envelope(PAYLOAD_TYPES["site-request"], body, (forged,))))


@pytest.mark.parametrize("size", [0, 1, 31, 33, 64])
def test_a_sealing_key_has_32_bytes(size: int) -> None:
    with pytest.raises(Malformed):
        open_site_request(request(sealing_key=base64_of(bytes(size))))


@pytest.mark.parametrize("text", ["A" * 43, "A" * 42 + "B=", "A" * 43 + "=\n", "-" * 43 + "=", "", None, 7])
def test_a_key_has_one_spelling(text: object) -> None:
    with pytest.raises(Malformed):
        open_site_request(request(sealing_key=text))


@pytest.mark.parametrize("algorithm", ["sm9", "", "Ed25519", "none"])
def test_a_key_of_an_unknown_algorithm_is_refused(algorithm: str) -> None:
    record = key_record(key("site")) | {"algorithm": algorithm}
    with pytest.raises(AlgorithmUnknown):
        open_site_request(request(key=record))


@pytest.mark.parametrize(
    "changes",
    [
        {"site": "Site One"},
        {"site": ""},
        {"name": "a\x1b[2J"},
        {"name": "a\u202eb"},
        {"epoch": 0},
        {"product_version": ""},
        {"key": {"algorithm": "ed25519"}},
        {"key": {"algorithm": "ed25519", "public": base64_of(bytes(31))}},
        {"key": key("site").keyid},
    ],
)
def test_a_request_of_another_shape_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        open_site_request(request(**changes))


@pytest.mark.parametrize("kind", ["licence", "usage", "trust"])
def test_another_kind_is_no_request(kind: str) -> None:
    with pytest.raises(WrongKind):
        open_site_request(signed(kind, site_request_members(), key("site")))
