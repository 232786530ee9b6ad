"""SM2 with SM3 (GB/T 32918.2-2016 on the curve of GB/T 32918.5-2017): verification, in integers that can be read.

Promise: `verify` says yes only to a signature that §7.1 accepts for this key, this message and the distinguishing id
`1234567812345678`; it answers no to everything else and raises on no bytes. A public key is `04 || X || Y`, a signature
`r || s`, every number 32 bytes, big endian: each has one spelling. `is_sound` is asked by `PublicKey` and again here.

Why our own: pyca/cryptography has SM3 and no SM2, and of the packages looked at none both runs on every site and makes
every check by itself (the record is in FORMATS.md). Nothing secret passes through here, so time may depend on the
numbers: a few milliseconds. Signing is the vendor's (licensing/vendor/sm2_signing.py).
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.hashes import SM3, Hash

Affine = tuple[int, int]
Jacobian = tuple[int, int, int]
"""(X, Y, Z) stands for the affine point (X/Z², Y/Z³); with Z = 0 for the point at infinity."""

P: Final = 0xFFFFFFFE_FFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFF_00000000_FFFFFFFF_FFFFFFFF
A: Final = P - 3
B: Final = 0x28E9FA9E_9D9F5E34_4D5A9E4B_CF6509A7_F39789F5_15AB8F92_DDBCBD41_4D940E93
N: Final = 0xFFFFFFFE_FFFFFFFF_FFFFFFFF_FFFFFFFF_7203DF6B_21C6052B_53BBF409_39D54123
G: Final[Affine] = (
    0x32C4AE2C_1F198119_5F990446_6A39C994_8FE30BBF_F2660BE1_715A4589_334C74C7,
    0xBC3736A2_F4F6779C_59BDCEE3_6B692153_D0A9877C_C62A4740_02DF32E5_2139F0A0,
)
DISTINGUISHING_ID: Final = b"1234567812345678"
PUBLIC_SIZE: Final = 65
SIGNATURE_SIZE: Final = 64


def verify(public: bytes, signature: bytes, message: bytes) -> bool:
    """GB/T 32918.2 §7.1; the letters are its steps."""
    key = _point(public)
    if key is None or len(signature) != SIGNATURE_SIZE:
        return False
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not (0 < r < N and 0 < s < N):  # B1, B2
        return False
    e = hashed(public, message)  # B3, B4
    t = (r + s) % N  # B5
    if t == 0:
        return False
    total = _sum_of_multiples(s, t, key)  # B6
    return total[2] != 0 and (e + affine(total)[0]) % N == r  # B7


def is_sound(public: bytes) -> bool:
    """Whether these bytes are a point of the curve that some private key has. The group's order is prime, so that a
    point of the curve is in no smaller group."""
    return _point(public) is not None


def hashed(public: bytes, message: bytes) -> int:
    """What is signed: the message after Z, the digest of the signer's id, the curve and the key (§5.5, §6.1 A1, A2)."""
    parts = b"".join(number.to_bytes(32, "big") for number in (A, B, *G))
    identity = (len(DISTINGUISHING_ID) * 8).to_bytes(2, "big") + DISTINGUISHING_ID
    return int.from_bytes(_sm3(_sm3(identity + parts + public[1:]), message), "big")


def double(point: Jacobian) -> Jacobian:
    """2·point; the point at infinity stays there."""
    x, y, z = point
    yy = y * y % P
    zz = z * z % P
    m = 3 * (x - zz) * (x + zz) % P  # 3x² + a·z⁴, since a = -3
    v = 4 * x * yy % P
    doubled = (m * m - 2 * v) % P
    return doubled, (m * (v - doubled) - 8 * yy * yy) % P, 2 * y * z % P


def add(point: Jacobian, other: Affine) -> Jacobian:
    """point + other, whatever the two are to each other."""
    x, y, z = point
    if z == 0:
        return (*other, 1)
    zz = z * z % P
    h = (other[0] * zz - x) % P
    m = (other[1] * zz * z - y) % P
    if h == 0:
        return double(point) if m == 0 else (1, 1, 0)
    hh = h * h % P
    hhh = h * hh % P
    v = x * hh % P
    total = (m * m - hhh - 2 * v) % P
    return total, (m * (v - total) - y * hhh) % P, z * h % P


def affine(point: Jacobian) -> Affine:
    """The coordinates of a point that is not at infinity."""
    x, y, z = point
    inverse = pow(z, -1, P)
    return x * inverse**2 % P, y * inverse**3 % P


def _point(public: bytes) -> Affine | None:
    """A public key's point, or None: another form than 04, a coordinate that is not reduced, not on the curve, or -G,
    whose private key n-1 the standard excludes (§6.1: 1 + d has no inverse) and under which s would not matter."""
    if len(public) != PUBLIC_SIZE or public[0] != 4:
        return None
    x, y = int.from_bytes(public[1:33], "big"), int.from_bytes(public[33:], "big")
    if x >= P or y >= P or (y * y - x * x * x - A * x - B) % P or (x, y) == (G[0], P - G[1]):
        return None
    return x, y


def _sum_of_multiples(s: int, t: int, key: Affine) -> Jacobian:
    """s·G + t·key, both in one pass (Shamir's trick). G + key is a point, because -G is no key."""
    addends = (None, G, key, affine(add((*G, 1), key)))
    total: Jacobian = (1, 1, 0)
    for place in range(255, -1, -1):
        total = double(total)
        addend = addends[(s >> place & 1) | (t >> place & 1) << 1]
        if addend is not None:
            total = add(total, addend)
    return total


def _sm3(*parts: bytes) -> bytes:
    state = Hash(SM3())
    for part in parts:
        state.update(part)
    return state.finalize()
