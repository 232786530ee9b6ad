"""Provider keys sealed to one site, and within it to one place (pure but for the randomness of sealing itself).

`api_key: sealed:v1:…` is a NaCl sealed box (X25519, XSalsa20-Poly1305) under the site's sealing key, which its site
request carries. Within it, before the key, stand the site and the place: alias, provider and address. A value that is
moved to another entry, or whose entry is pointed at another address, does not open; so whoever may edit a config before
it is signed, and cannot read the key, cannot have it sent elsewhere either. Reordering entries changes nothing.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from nacl.exceptions import CryptoError
from nacl.public import PublicKey, SealedBox

PREFIX: Final = "sealed:v1:"
ANY_PREFIX: Final = "sealed:"
"""What begins so and goes on otherwise is no key: it was sealed by a newer release, or spoilt."""

MAX_KEY: Final = 2048
"""Characters of a key that can be sealed."""

_HEAD: Final = "ao-sealed-key-1"
_NAME: Final = re.compile(r"\$\{([A-Z][A-Z0-9_]{0,63})\}")

Unseal = Callable[[bytes], bytes]
"""Opens a sealed box with the site's key. Raises nacl.exceptions.CryptoError."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a sealed key is bound to. `api_base` as it is called, without a slash at its end, or None."""

    site: str
    alias: str
    provider: str
    api_base: str | None

    @property
    def head(self) -> bytes:
        """A line each. Raises ValueError for a part that holds a line break, which could be read as two."""
        parts = (_HEAD, self.site, self.alias, self.provider, self.api_base or "")
        if any("\n" in part for part in parts):
            raise ValueError("a part of the place has a line break")
        return "".join(f"{part}\n" for part in parts).encode()


class DoesNotOpen(Exception):
    """The value was sealed for another site or place, or is damaged. Says which, and never what is within."""


def secret_name(api_key: str) -> str | None:
    """The NAME in `${NAME}`, or None where the text is the key itself."""
    found = _NAME.fullmatch(api_key)
    return found.group(1) if found else None


def is_sealed(api_key: str) -> bool:
    return api_key.startswith(PREFIX)


def is_clear(api_key: str | None) -> bool:
    """Whether the text is a key itself: neither sealed nor a name to be looked up."""
    return api_key is not None and not is_sealed(api_key) and not api_key.startswith("${")


def can_be_sent(api_key: str) -> bool:
    """Whether a header can carry it."""
    return api_key.isascii() and api_key.isprintable() and bool(api_key)


def seal(api_key: str, place: Place, sealing_key: bytes) -> str:
    """The value to write into the config. Each call gives another text for the same key."""
    box: bytes = SealedBox(PublicKey(sealing_key)).encrypt(place.head + api_key.encode())
    return PREFIX + base64.b64encode(box).decode()


def unseal(value: str, place: Place, open_box: Unseal) -> str:
    """The key in a sealed value. Raises DoesNotOpen."""
    try:
        opened = open_box(base64.b64decode(value.removeprefix(PREFIX), validate=True))
    except (binascii.Error, CryptoError, ValueError) as error:
        raise DoesNotOpen("it was sealed for another site, or is damaged") from error
    if not opened.startswith(place.head):
        raise DoesNotOpen("it was sealed for another alias, provider or address")
    return opened[len(place.head) :].decode("utf-8", "replace")
