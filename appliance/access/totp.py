"""Codes from an authenticator app: TOTP of RFC 6238 with SHA-1, six digits, thirty seconds, as every app has it (pure).

Promise: a code opens once. What is accepted is the step before now, now's, or the one after, and only a step later than
the last one that was accepted; so a code that somebody has read over a shoulder is used up already, or will not do.
SHA-1 is safe here: HMAC does not rest on its resistance to collisions.
"""

from __future__ import annotations

import base64
import hmac
from urllib.parse import quote

STEP_SECONDS = 30
DIGITS = 6
SECRET_BYTES = 20
_EITHER_SIDE = 1


def code_at(secret: bytes, step: int, digits: int = DIGITS) -> str:
    """The code of one time step (RFC 4226, section 5.3)."""
    mac = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    offset = mac[-1] & 0x0F
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def step_at(seconds: float) -> int:
    """Seconds since 1970."""
    return max(0, int(seconds)) // STEP_SECONDS


def accepted_step(secret: bytes, code: str, seconds: float, last_step: int) -> int | None:
    """The step that this code is of, where it may be used; else None. All steps are compared, whichever it is."""
    now, found = step_at(seconds), None
    for step in range(max(0, now - _EITHER_SIDE), now + _EITHER_SIDE + 1):
        same = hmac.compare_digest(code_at(secret, step).encode(), code.encode("utf-8", "replace"))
        if same and step > last_step and found is None:
            found = step
    return found


def shown_secret(secret: bytes) -> str:
    """As it is typed into an app where its camera is not to be had."""
    return base64.b32encode(secret).decode().rstrip("=")


def uri(secret: bytes, name: str, site: str) -> str:
    """What an app reads from the picture: the key URI format of authenticator apps."""
    label = quote(f"AO {site}:{name}", safe=":")
    return (
        f"otpauth://totp/{label}?secret={shown_secret(secret)}&issuer={quote(f'AO {site}')}"
        f"&algorithm=SHA1&digits={DIGITS}&period={STEP_SECONDS}"
    )
