"""A confirmation: agreement, for two minutes, to exactly what was told of exactly one call (pure).

The token is an authentication code over who calls, the call (method, path with query, body), what was told would
happen, until when, and a nonce. So another caller, another body, or a state in which something else would happen gets
no use of it. That it works once, used_once.py knows.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import struct
from dataclasses import dataclass

from appliance.admin_api.errors import ConfirmationRefused

LIFE_SECONDS = 120
NONCE_BYTES = 16
HEADER = "x-ao-confirm"

_HEAD = struct.Struct(f">Q{NONCE_BYTES}s")
_CODE_BYTES = 32


@dataclass(frozen=True, slots=True)
class Agreed:
    """What a confirmation is about. `principal` names who calls and by which token; `target` is path and query."""

    principal: str
    method: str
    target: str
    body_digest: str
    would: str


def make(key: bytes, what: Agreed, now: float, nonce: bytes) -> tuple[str, int]:
    """The token, and when it ends (seconds since 1970)."""
    ends = int(now) + LIFE_SECONDS
    head = _HEAD.pack(ends, nonce)
    return base64.urlsafe_b64encode(head + _code(key, what, head)).decode().rstrip("="), ends


def check(key: bytes, what: Agreed, token: str, now: float) -> tuple[str, int]:
    """The name under which this confirmation is used up, and when it ends. Raises ConfirmationRefused."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        head, code = raw[: _HEAD.size], raw[_HEAD.size :]
        ends, nonce = _HEAD.unpack(head)
    except (ValueError, binascii.Error, struct.error):
        raise ConfirmationRefused("x-ao-confirm holds no confirmation of this site.") from None
    if len(code) != _CODE_BYTES or not hmac.compare_digest(code, _code(key, what, head)):
        raise ConfirmationRefused(
            "The confirmation is not of this call: it was for another caller, call or body, or what would happen has "
            "changed since."
        )
    # One that ends later than any could was made by a clock that has been put right since.
    if not now <= ends <= now + LIFE_SECONDS:
        raise ConfirmationRefused(f"The confirmation is older than {LIFE_SECONDS} seconds.")
    return nonce.hex(), int(ends)


def _code(key: bytes, what: Agreed, head: bytes) -> bytes:
    told = json.dumps([what.principal, what.method, what.target, what.body_digest, what.would, head.hex()])
    return hmac.digest(key, told.encode(), hashlib.sha256)
