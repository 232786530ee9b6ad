"""The vendor's private keys: one file a key, sealed under a passphrase.

Promise: a seed is on disk only inside a SecretBox whose key Argon2id derives from the passphrase with the cost written
in the file; a file that differs in a single byte from what was written is refused; a key whose folder or file others
can reach is not used. Beside the seed the box holds a digest of the file's public part, so that no role, label or
public key can be put on another's seed. The unkeyed checksum only tells damage from a wrong passphrase; it guards
nothing. Randomness is an argument; for signing it is the system's unless another is given.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id
from nacl.secret import SecretBox
from nacl.signing import SigningKey
from pydantic import Field, ValidationError

from licensing.algorithms import ED25519, SM2, PublicKey, digest
from licensing.document import Claims, Digest, KeyBytes, Name
from licensing.errors import Malformed
from licensing.shown import shown
from licensing.strict_json import canonical, load_object
from licensing.trust import RoleName
from licensing.vendor.errors import Exposed, HomeMissing, KeyDamaged, PassphraseWrong, VendorError
from licensing.vendor.passphrase import OTHERS, Passphrase
from licensing.vendor.sm2_signing import Sm2PrivateKey, make_secret
from media.writer import write_document

KEY_FILE_LIMIT: Final = 16 * 1024
SEED_SIZE: Final = 32

RandomBytes = Callable[[int], bytes]
Algorithm = Literal["ed25519", "sm2"]


@dataclass(frozen=True, slots=True)
class KdfLimits:
    """What one guess at the passphrase costs: Argon2id passes, and bytes of memory."""

    ops: int
    mem: int


MODERATE: Final = KdfLimits(argon2id.OPSLIMIT_MODERATE, argon2id.MEMLIMIT_MODERATE)
KDF: Mapping[str, KdfLimits] = MappingProxyType(
    {
        "interactive": KdfLimits(argon2id.OPSLIMIT_INTERACTIVE, argon2id.MEMLIMIT_INTERACTIVE),
        "moderate": MODERATE,
        "sensitive": KdfLimits(argon2id.OPSLIMIT_SENSITIVE, argon2id.MEMLIMIT_SENSITIVE),
    }
)


class KdfRecord(Claims):
    """How the box's key is derived. Bounded, so that a damaged file cannot ask for all memory or all day."""

    name: Literal["argon2id"] = "argon2id"
    ops: int = Field(ge=argon2id.OPSLIMIT_MIN, le=argon2id.OPSLIMIT_SENSITIVE)
    mem: int = Field(ge=argon2id.MEMLIMIT_MIN, le=argon2id.MEMLIMIT_SENSITIVE)
    salt: KeyBytes = Field(min_length=argon2id.SALTBYTES, max_length=argon2id.SALTBYTES)


class KeyFile(Claims):
    """What a key file says openly. `sealed` is nonce and ciphertext."""

    kind: Literal["vendor-key"] = "vendor-key"
    schema_version: Literal[1] = Field(default=1, alias="schema")
    algorithm: Algorithm = ED25519
    public: KeyBytes
    role: RoleName | None
    label: Name
    kdf: KdfRecord
    sealed: KeyBytes
    checksum: Digest

    @property
    def public_key(self) -> PublicKey:
        return PublicKey(self.algorithm, self.public)


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
    kdf = KdfRecord(ops=limits.ops, mem=limits.mem, salt=random(argon2id.SALTBYTES))
    draft = KeyFile(
        algorithm=key.algorithm,
        public=key.public_key.public,
        role=key.role,
        label=key.label,
        kdf=kdf,
        sealed=b"",
        checksum=digest(b""),
    )
    secret = bytes(key._signing) + _binding(_open_part(draft))
    box = _box(kdf, passphrase).encrypt(secret, random(SecretBox.NONCE_SIZE))
    sealed = draft.model_copy(update={"sealed": bytes(box)})
    whole = sealed.model_copy(update={"checksum": _checksum(sealed)})
    return canonical(whole.model_dump(mode="json", by_alias=True)) + b"\n"


def read_open_part(data: bytes, *, where: str | None = None) -> KeyFile:
    """What the file says without a passphrase, if it is whole. Raises KeyDamaged."""
    try:
        members = load_object(data)
        file = KeyFile.model_validate_json(canonical(members))
    except (Malformed, ValidationError) as error:
        raise KeyDamaged("The key file is not well-formed.", where=where) from error
    if canonical(members) + b"\n" != data or _checksum(file) != file.checksum:
        raise KeyDamaged("The key file is not as it was written.", where=where)
    return file


def unseal(data: bytes, passphrase: Passphrase, *, where: str | None = None) -> VendorKey:
    """The key in a key file. Raises KeyDamaged, PassphraseWrong."""
    file = read_open_part(data, where=where)
    box = _box(file.kdf, passphrase)
    try:
        secret = box.decrypt(file.sealed)
    except (CryptoError, ValueError) as error:
        raise PassphraseWrong("The passphrase does not open this key.", where=where) from error
    seed, binding = secret[:SEED_SIZE], secret[SEED_SIZE:]
    if len(seed) != SEED_SIZE or not compare_digest(binding, _binding(_open_part(file))):
        raise KeyDamaged("The key file's public part is not the one that was sealed with the seed.", where=where)
    key = VendorKey(file.role, file.label, seed, file.algorithm)
    if key.public_key != file.public_key:
        raise KeyDamaged("The seed does not give the public key that the file records.", where=where)
    return key


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
        facts = path.lstat()
    except OSError as error:
        raise HomeMissing(f"The {what} cannot be looked at.", where=shown(str(path))) from error
    if facts.st_mode & OTHERS:
        raise Exposed(f"Other users of this host can reach the {what}.", where=shown(str(path)))
    if facts.st_uid not in (0, os.geteuid()):
        raise Exposed(f"The {what} belongs to another user of this host.", where=shown(str(path)))


def _box(kdf: KdfRecord, passphrase: Passphrase) -> SecretBox:
    try:
        key = argon2id.kdf(SecretBox.KEY_SIZE, passphrase.reveal(), kdf.salt, opslimit=kdf.ops, memlimit=kdf.mem)
    except CryptoError as error:
        raise VendorError(
            f"The key for the key file cannot be derived; that takes {kdf.mem // 2**20} MiB of memory.",
            remedy="Close other programs on this host and try again.",
        ) from error
    return SecretBox(key)


def _open_part(file: KeyFile) -> dict[str, Any]:
    return file.model_dump(mode="json", by_alias=True, exclude={"sealed", "checksum"})


def _binding(members: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(canonical(members)).digest()


def _checksum(file: KeyFile) -> str:
    return digest(canonical(file.model_dump(mode="json", by_alias=True, exclude={"checksum"})))
