"""The site's own secrets, in one file of mode 0600: its signing key, its sealing key, and the key of its key hashes.

They are made once, on this host, and never leave it. This is the only place at a site that constructs private keys.
"""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from nacl.public import PrivateKey, SealedBox

from appliance.errors import StateDamaged
from licensing.algorithms import ED25519, PublicKey
from media.writer import write_document

_SIZE = 32
_MEMBERS = ("signing_seed", "sealing_seed", "hash_key")
ENTROPY_BYTES = _SIZE * len(_MEMBERS)


@dataclass(frozen=True, slots=True, repr=False)
class SiteKey:
    """Satisfies `licensing.envelope.Signer`."""

    _signing: Ed25519PrivateKey
    _sealing: X25519PrivateKey
    hash_key: bytes

    @property
    def public_key(self) -> PublicKey:
        return PublicKey(ED25519, self._signing.public_key().public_bytes_raw())

    @property
    def sealing_public(self) -> bytes:
        return self._sealing.public_key().public_bytes_raw()

    def derive(self, purpose: bytes) -> bytes:
        """A key of its own for a purpose that is none of the others: HMAC-SHA256, 32 bytes."""
        return hmac.digest(self.hash_key, purpose, "sha256")

    def sign(self, message: bytes) -> bytes:
        return self._signing.sign(message)

    def unseal(self, box: bytes) -> bytes:
        """What was sealed to `sealing_public`. Raises nacl.exceptions.CryptoError."""
        opened: bytes = SealedBox(PrivateKey(self._sealing.private_bytes_raw())).decrypt(box)
        return opened

    @property
    def rest_key(self) -> bytes:
        """What lies in the database and may hold secrets is encrypted under this."""
        return blake2b(b"ao config at rest", key=self.hash_key, digest_size=32).digest()


def create_site_key(file: Path, entropy: bytes) -> SiteKey:
    """Makes and stores the site's secrets from ENTROPY_BYTES random bytes; never overwrites. Raises MediaError."""
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"{ENTROPY_BYTES} bytes of entropy are needed")
    parts = {name: entropy[i * _SIZE : (i + 1) * _SIZE] for i, name in enumerate(_MEMBERS)}
    text = json.dumps({name: base64.b64encode(part).decode() for name, part in parts.items()}, indent=1) + "\n"
    write_document(file, text.encode(), mode=0o600)
    return load_site_key(file)


def load_site_key(file: Path) -> SiteKey:
    """Raises StateDamaged when the file is missing, readable by others, or not what was written."""
    try:
        if file.stat().st_mode & 0o077:
            raise StateDamaged("The site key is readable by other users.", where=str(file), remedy=f"chmod 600 {file}")
        members = json.loads(file.read_bytes())
        signing, sealing, hash_key = (base64.b64decode(members[name], validate=True) for name in _MEMBERS)
        if len(hash_key) != _SIZE:
            raise ValueError("wrong length")
        return SiteKey(
            Ed25519PrivateKey.from_private_bytes(signing), X25519PrivateKey.from_private_bytes(sealing), hash_key
        )
    except OSError as exc:
        raise StateDamaged(f"The site key cannot be read: {exc.strerror}.", where=str(file)) from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise StateDamaged("The site key file is damaged.", where=str(file)) from exc
