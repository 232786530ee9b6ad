"""The vendor's private keys: one file a key, sealed under a passphrase (`licensing.keyfile`).

Promise: a seed is on disk only inside its sealed file; a key whose folder or file others can reach is not used; a key
that is opened is the one whose public half the file records. Randomness is an argument; for signing it is the system's
unless another is given.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from nacl.signing import SigningKey

from licensing import keyfile
from licensing.algorithms import ED25519, SM2, PublicKey
from licensing.errors import KeyFileDamaged, WrongKind
from licensing.errors import PassphraseWrong as WrongForFile
from licensing.keyfile import MODERATE, SEED_SIZE, Algorithm, KdfLimits, KeyFile, RandomBytes, require_pair
from licensing.shown import shown
from licensing.trust import RoleName
from licensing.vendor.errors import HomeMissing, KeyDamaged, PassphraseWrong
from licensing.vendor.sm2_signing import Sm2PrivateKey, make_secret
from media import private_file
from media.errors import NotFound, Unreadable
from media.passphrase import Passphrase
from media.writer import write_document

KIND: Final = "vendor-key"


class VendorKey:
    """A private key in memory, able to sign (`licensing.envelope.Signer`). Shows its id, never its seed.

    `random` hedges SM2's nonces; Ed25519 needs none.
    """

    __slots__ = ("_signing", "algorithm", "label", "public_key", "role")

    def __init__(
        self,
        role: RoleName | None,
        label: str,
        seed: bytes,
        algorithm: Algorithm = ED25519,
        *,
        random: RandomBytes = os.urandom,
    ) -> None:
        self._signing = Sm2PrivateKey(seed, random=random) if algorithm == SM2 else SigningKey(seed)
        self.algorithm: Algorithm = algorithm
        self.role = role
        self.label = label
        self.public_key = PublicKey(algorithm, _public_half(self._signing))

    def sign(self, message: bytes) -> bytes:
        if isinstance(self._signing, Sm2PrivateKey):
            return self._signing.sign(message)
        return self._signing.sign(message).signature

    def __repr__(self) -> str:
        return f"VendorKey(role={self.role!r}, label={self.label!r}, keyid={self.public_key.keyid[:16]!r})"


def new_key(role: RoleName | None, label: str, algorithm: Algorithm, random: RandomBytes) -> VendorKey:
    """A key that nobody has yet. Without a role it may sign for any that a trust document gives it."""
    seed = make_secret(random) if algorithm == SM2 else random(SEED_SIZE)
    return VendorKey(role, label, seed, algorithm)


def seal(key: VendorKey, passphrase: Passphrase, *, random: RandomBytes, limits: KdfLimits = MODERATE) -> bytes:
    """The key file for this key under this passphrase."""
    return keyfile.seal(
        bytes(key._signing),
        key.public_key,
        passphrase.reveal(),
        kind=KIND,
        role=key.role,
        label=key.label,
        random=random,
        limits=limits,
    )


def read_open_part(data: bytes, *, where: str | None = None) -> KeyFile:
    """What the file says without a passphrase, if it is whole. Raises KeyDamaged."""
    with _in_the_vendors_words(where):
        return keyfile.read_open_part(data, KIND)


def unseal(data: bytes, passphrase: Passphrase, *, where: str | None = None) -> VendorKey:
    """The key in a key file. Raises KeyDamaged, PassphraseWrong."""
    with _in_the_vendors_words(where):
        file = keyfile.read_open_part(data, KIND)
        key = VendorKey(file.role, file.label, keyfile.unseal(file, passphrase.reveal()), file.algorithm)
        require_pair(file, key.public_key)
    return key


@contextlib.contextmanager
def _in_the_vendors_words(where: str | None) -> Iterator[None]:
    try:
        yield
    except WrongForFile as error:
        raise PassphraseWrong(error.message, where=where) from error
    except (KeyFileDamaged, WrongKind) as error:
        raise KeyDamaged(error.message, where=where) from error


def write_key(folder: Path, data: bytes) -> Path:
    """Writes a key file under its role and label, readable by its owner alone."""
    file = read_open_part(data)
    path = folder / f"{file.role or 'any'}-{file.label}.json"
    write_document(path, data, mode=0o600)
    return path


def _public_half(signing: Sm2PrivateKey | SigningKey) -> bytes:
    return signing.public if isinstance(signing, Sm2PrivateKey) else bytes(signing.verify_key)


def require_private(path: Path, *, what: str) -> None:
    """Raises Exposed for what others can reach, HomeMissing for what is not there."""
    try:
        private_file.require_private(path, what=what)
    except (NotFound, Unreadable) as error:
        raise HomeMissing(f"The {what} cannot be looked at.", where=shown(str(path))) from error
