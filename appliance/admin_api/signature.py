"""Whether a signed call is what its caller signed, when they signed it (pure; that it comes once, used_once.py knows).

Signed are method, path with query as sent, time, nonce and the body's digest, each on a line of its own, so that no two
calls have the same text.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

from appliance.admin_api.errors import CallOutOfTime, SignatureNeeded, SignatureWrong

WINDOW_SECONDS = 60
"""How far the caller's clock and this host's may be apart."""

TIMESTAMP, NONCE, DIGEST, SIGNATURE = "x-ao-timestamp", "x-ao-nonce", "x-ao-content-sha256", "x-ao-signature"
HEADERS = (TIMESTAMP, NONCE, DIGEST, SIGNATURE)

_SCHEME = "ao-admin-1"
_TIMESTAMP = re.compile(r"[1-9][0-9]{0,11}")
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Signed:
    """What a good signature says of its call beside the call: when it was made, in seconds since 1970, and its name."""

    at: int
    nonce: str


def text_to_sign(method: str, target: str, at: str, nonce: str, digest: str) -> bytes:
    return "\n".join((_SCHEME, method, target, at, nonce, digest)).encode("latin-1")


def sign(key: bytes, method: str, target: str, at: str, nonce: str, digest: str) -> str:
    return hmac.new(key, text_to_sign(method, target, at, nonce, digest), hashlib.sha256).hexdigest()


def check(key: bytes, method: str, target: str, body_digest: str, headers: Mapping[str, str], now: float) -> Signed:
    """`now` in seconds since 1970. Raises SignatureNeeded, SignatureWrong, CallOutOfTime."""
    missing = [name for name in HEADERS if name not in headers]
    if missing:
        raise SignatureNeeded(f"This token's calls must be signed; {missing[0]} is missing.")
    at, nonce, digest, given = (headers[name] for name in HEADERS)
    shapes = ((TIMESTAMP, _TIMESTAMP), (NONCE, _NONCE), (DIGEST, _HEX), (SIGNATURE, _HEX))
    for name, shape in shapes:
        if not shape.fullmatch(headers[name]):
            raise SignatureWrong(f"{name} does not look like one.")
    # The digest is compared too, though it is signed: it is what ties the signature to the bytes that came.
    right = hmac.compare_digest(sign(key, method, target, at, nonce, digest), given)
    if not (hmac.compare_digest(digest, body_digest) and right):
        raise SignatureWrong("The signature is not of this call.")
    if abs(int(at) - now) > WINDOW_SECONDS:
        away = abs(round(int(at) - now))
        raise CallOutOfTime(f"The call was signed {away} s away from this host's time; {WINDOW_SECONDS} are allowed.")
    return Signed(int(at), nonce)
