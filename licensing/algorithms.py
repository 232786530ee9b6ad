"""The one table of signature schemes, and the digest of the product.

A scheme is chosen by the *key record* in the trust document, never by an envelope. An unknown name fails closed. This
module verifies only: private keys are made where they live (a site's in appliance/state, an officer's in
appliance/officer, the vendor's in its keyring).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from nacl.bindings import crypto_core_ed25519_is_valid_point

from licensing import sm2
from licensing.errors import AlgorithmUnknown, Malformed


@dataclass(frozen=True, slots=True)
class Scheme:
    """A signature scheme: sizes in bytes, a verification that answers yes or no and never raises on bad input, and
    whether a public key is one that may be trusted at all."""

    name: str
    public_size: int
    signature_size: int
    verify: Callable[[bytes, bytes, bytes], bool]
    is_sound: Callable[[bytes], bool]


def _verify_ed25519(public: bytes, signature: bytes, message: bytes) -> bool:
    """RFC 8032 §5.1.7, by OpenSSL through pyca/cryptography."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@lru_cache(maxsize=4096)
def _is_sound_ed25519(public: bytes) -> bool:
    """Whether a key is a point of the prime-order group: under a small-order key one signature fits every message."""
    return bool(crypto_core_ed25519_is_valid_point(public))


ED25519: Final = "ed25519"
SM2: Final = "sm2"

SCHEMES: Mapping[str, Scheme] = MappingProxyType(
    {
        ED25519: Scheme(ED25519, 32, 64, _verify_ed25519, _is_sound_ed25519),
        SM2: Scheme(SM2, sm2.PUBLIC_SIZE, sm2.SIGNATURE_SIZE, sm2.verify, sm2.is_sound),
    }
)


def scheme(name: str) -> Scheme:
    """The scheme of that name. Raises AlgorithmUnknown."""
    found = SCHEMES.get(name)
    if found is None:
        raise AlgorithmUnknown(f"The signature algorithm {name[:40]!r} is not one that this release knows.")
    return found


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key with its scheme; its id is the SHA-256 of both, in hexadecimal, so an id cannot name two keys."""

    algorithm: str
    public: bytes

    def __post_init__(self) -> None:
        known = scheme(self.algorithm)
        if len(self.public) != known.public_size:
            raise Malformed(f"A public {self.algorithm} key has {len(self.public)} bytes, which is not its size.")
        if not known.is_sound(self.public):
            raise Malformed(f"The public {self.algorithm} key is a weak one, which no honest party has.")

    @property
    def keyid(self) -> str:
        return hashlib.sha256(self.algorithm.encode() + b"\n" + self.public).hexdigest()

    def verifies(self, signature: bytes, message: bytes) -> bool:
        known = scheme(self.algorithm)
        return len(signature) == known.signature_size and known.verify(self.public, signature, message)


def digest(data: bytes) -> str:
    """`sha256:` and 64 hexadecimal digits."""
    return "sha256:" + hashlib.sha256(data).hexdigest()
