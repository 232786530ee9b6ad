"""The last look: whether a secret of this host stands in what is to leave it, in any form it may have taken (pure).

What leaves is chosen by allow-lists; this is the check of them, and says by name what it found, never the secret.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

SHORTEST: Final = 8
"""Characters. What is shorter stands in any text by chance, and is no secret."""
TELLTALES: Final[Mapping[str, re.Pattern[bytes]]] = {
    "a bearer token": re.compile(rb"(?i)bearer\s+[A-Za-z0-9._~+/-]{8,}"),
    "a private key": re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a sealed key": re.compile(rb"sealed:v\d+:[A-Za-z0-9+/_=-]{16,}"),
    "a key of a provider": re.compile(rb"\b(sk|gsk|xai|hf|pk)[-_][A-Za-z0-9_-]{16,}"),
    "an API key": re.compile(rb"\bao-[A-Za-z0-9]{6,}[-_.]?[A-Za-z0-9_-]{10,}"),
    "a name with a password in an address": re.compile(rb"://[^/\s\"@]+@"),
    "an address of mail": re.compile(rb"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+\.[A-Za-z]{2,}"),
}


def found_in(data: bytes, secrets: Mapping[str, bytes]) -> list[str]:
    """What was found, by name, each once."""
    found = [name for name, pattern in TELLTALES.items() if pattern.search(data)]
    for name, secret in secrets.items():
        if len(secret) >= SHORTEST and any(form in data for form in _forms(secret)):
            found.append(name)
    return found


def _forms(secret: bytes) -> Iterator[bytes]:
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    yield json.dumps(secret.decode("utf-8", "replace"))[1:-1].encode()
    for before in range(3):
        whole = base64.b64encode(bytes(before) + secret)
        # The characters that the neighbours do not reach into.
        inner = whole[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]
        yield inner
        yield inner.translate(bytes.maketrans(b"+/", b"-_"))
