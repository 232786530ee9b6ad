"""SM2 with SM3: the vendor's private key in memory, and signing with it (GB/T 32918.2 §6.1). Never at a site.

Promise: a signature that `licensing.sm2.verify` accepts; no two different ones with one nonce. Nonces come from RFC
6979 §3.2 with HMAC-SM3, keyed by the secret, over what is signed and (§3.6) 32 fresh random bytes: if the random bytes
are bad, the nonce is still as unpredictable as the secret and differs for each message; if they are good, no fault or
measurement can be repeated on the same nonce. Randomness is an argument.

What is protected against a neighbour who measures time: every multiplication of G takes 415 doublings and 415
additions of which none is skipped, its scalar is blinded by a random multiple of the group's order, its starting point
by a random Z; what is inverted is blinded first; the secret is never a factor of a product with the public r.

What is not: Python's integers are not constant in time, secrets stay in memory until the process ends and cannot be
wiped, and power or radiation are not thought of. Sign on a host of the vendor's alone. For keys whose loss would matter
as a root's does, use a token that holds SM2 keys: anything that is a `licensing.envelope.Signer` may take this one's
place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from cryptography.hazmat.primitives.hashes import SM3
from cryptography.hazmat.primitives.hmac import HMAC

from licensing.sm2 import G, Jacobian, N, P, add, affine, double, hashed
from licensing.vendor.errors import KeyDamaged

SECRET_SIZE: Final = 32
FRESH_SIZE: Final = 32


class Sm2PrivateKey:
    """A secret scalar, able to sign. `bytes()` gives the secret, for the keyring to seal; nothing else shows it."""

    __slots__ = ("_inverse", "_random", "_secret", "public")

    def __init__(self, secret: bytes, *, random: Callable[[int], bytes]) -> None:
        if not _is_secret(secret):
            raise KeyDamaged("These bytes are no SM2 private key.")
        self._secret = secret
        self._random = random
        scalar = int.from_bytes(secret, "big")
        draws = _scalars(secret, 0, random(FRESH_SIZE))
        x, y = _multiple_of_g(scalar, draws)
        self.public = b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")
        mask = next(draws)
        self._inverse = pow((1 + scalar) * mask, -1, N) * mask % N

    def sign(self, message: bytes) -> bytes:
        """r || s; the letters are the steps of GB/T 32918.2 §6.1."""
        e = hashed(self.public, message)  # A1, A2
        draws = _scalars(self._secret, e, self._random(FRESH_SIZE))
        while True:
            nonce = next(draws)  # A3
            r = (e + _multiple_of_g(nonce, draws)[0]) % N  # A4, A5
            # (k - r·d)/(1 + d) = (k + r)/(1 + d) - r, where the secret meets no number that is public.
            s = (self._inverse * (nonce + r) - r) % N  # A6
            if r != 0 and r + nonce != N and s != 0:
                return r.to_bytes(32, "big") + s.to_bytes(32, "big")  # A7

    def __bytes__(self) -> bytes:
        return self._secret

    def __repr__(self) -> str:
        return f"Sm2PrivateKey(public={self.public.hex()[:16]!r})"


def make_secret(random: Callable[[int], bytes]) -> bytes:
    """A new secret, each allowed one as likely as another: what is not a secret is drawn again, not reduced."""
    while not _is_secret(secret := random(SECRET_SIZE)):
        pass
    return secret


def _is_secret(secret: bytes) -> bool:
    """§6.1: a private key lies in [1, n-2], since 1 + d is inverted."""
    return len(secret) == SECRET_SIZE and 0 < int.from_bytes(secret, "big") < N - 1


def _multiple_of_g(scalar: int, draws: Iterator[int]) -> tuple[int, int]:
    """scalar·G by double-and-always-add over a scalar of fixed length.

    With a mask of [3·2¹⁵⁸, 2¹⁶⁰), scalar + mask·n has exactly 416 bits for every scalar below n, and the same multiple.
    The upper half of n is nearly all ones, so that a mask much shorter would leave some bits of the scalar bare.
    """
    blinded = scalar + (3 << 158 | next(draws) >> 98) * N
    z = next(draws)
    total: Jacobian = (G[0] * z**2 % P, G[1] * z**3 % P, z)
    for place in range(414, -1, -1):
        total = double(total)
        total = (total, add(total, G))[blinded >> place & 1]
    return affine(total)


def _scalars(secret: bytes, e: int, fresh: bytes) -> Iterator[int]:
    """Numbers of [1, n-1] without end (RFC 6979 §3.2 with HMAC-SM3; §3.6 for `fresh`). The first is a nonce; those
    after it serve as masks, or as the next nonce should the first not do."""
    seed = secret + (e % N).to_bytes(32, "big") + fresh
    value, key = b"\x01" * 32, bytes(32)
    for mark in (b"\x00", b"\x01"):
        key = _hmac(key, value + mark + seed)
        value = _hmac(key, value)
    while True:
        value = _hmac(key, value)
        if 0 < (number := int.from_bytes(value, "big")) < N:
            yield number
        key = _hmac(key, value + b"\x00")
        value = _hmac(key, value)


def _hmac(key: bytes, data: bytes) -> bytes:
    code = HMAC(key, SM3())
    code.update(data)
    return code.finalize()
