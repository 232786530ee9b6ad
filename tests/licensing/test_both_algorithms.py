"""A vendor whose every role demands both algorithms: what a site opens then, and what it refuses."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import pytest

from licensing.algorithms import SM2
from licensing.envelope import Signer
from licensing.errors import LicensingError, SignatureRefused
from licensing.licence import open_licence
from licensing.trust import Trust, advance, pin
from licensing.vendor.keyring import VendorKey
from tests.licensing.documents import base64_of, key, licence_members, signed, trust_members

BOTH = {"ed25519": 1, "sm2": 1}


def second(name: str) -> VendorKey:
    """The SM2 key that stands beside the Ed25519 key of that name. The same in every run; its nonces too."""
    return VendorKey(None, name, hashlib.sha256(b"sm2 " + name.encode()).digest(), SM2, random=bytes)


ROLES = {"root": "root-1", "licence": "licence-1", "receipt": "receipt-1"}


def members(serial: int = 1) -> dict[str, Any]:
    usual = trust_members(
        serial=serial, role_keys={r: (n,) for r, n in ROLES.items()}, thresholds=dict.fromkeys(ROLES, 2)
    )
    for role, name in ROLES.items():
        public = second(name).public_key
        usual["keys"][public.keyid] = {"algorithm": SM2, "public": base64_of(public.public)}
        usual["roles"][role]["keys"].append(public.keyid)
        usual["roles"][role]["at_least"] = dict(BOTH)
    return usual


def trust_file(serial: int = 1) -> bytes:
    return signed("trust", members(serial), key("root-1"), second("root-1"))


@cache
def trust() -> Trust:
    return pin(trust_file()).claims


def test_a_licence_signed_by_both_is_believed() -> None:
    opened = open_licence(signed("licence", licence_members(), key("licence-1"), second("licence-1")), trust())
    assert set(opened.signers) == {key("licence-1").keyid, second("licence-1").public_key.keyid}


def test_a_trust_signed_by_both_follows_one_signed_by_both() -> None:
    assert advance(trust(), trust_file(2)).claims.serial == 2


@pytest.mark.parametrize("signers", [(key("licence-1"),), (second("licence-1"),)], ids=["ed25519", "sm2"])
def test_either_alone_is_not_enough(signers: tuple[Signer, ...]) -> None:
    with pytest.raises(SignatureRefused):
        open_licence(signed("licence", licence_members(), *signers), trust())


@pytest.mark.parametrize("place", range(64))
def test_a_changed_byte_of_the_second_signature_is_refused(place: int) -> None:
    class Bent:
        public_key = second("licence-1").public_key

        def sign(self, message: bytes) -> bytes:
            data = bytearray(second("licence-1").sign(message))
            data[place] ^= 1
            return bytes(data)

    with pytest.raises(LicensingError):
        open_licence(signed("licence", licence_members(), key("licence-1"), Bent()), trust())
