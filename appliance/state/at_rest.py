"""Configs as they lie in the database: encrypted, since one may hold a provider's key in clear.

XSalsa20-Poly1305 under a key derived from the site's own (site.key, mode 0600, beside the database): a copy of the
database alone tells nothing of them. What comes back is exactly the bytes that came in.
"""

from __future__ import annotations

from typing import Final

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from appliance.errors import StateDamaged

_MAGIC: Final = b"AO-AT-REST-1\n"


def encrypted(data: bytes, key: bytes) -> bytes:
    """A random nonce each time: the same config twice does not look the same."""
    return _MAGIC + bytes(SecretBox(key).encrypt(data))


def is_encrypted(stored: bytes) -> bool:
    return stored.startswith(_MAGIC)


def decrypted(stored: bytes, key: bytes) -> bytes:
    """Raises StateDamaged where it is not what was stored here."""
    try:
        return bytes(SecretBox(key).decrypt(stored.removeprefix(_MAGIC)))
    except (CryptoError, ValueError) as error:
        raise StateDamaged(
            "A stored config cannot be decrypted: the database and the site key are not of the same site, or damaged."
        ) from error
