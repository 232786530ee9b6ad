"""A person's private key in a file, sealed under a passphrase; and its public half, in a file to hand on.

Promise: a seed leaves here only inside a SecretBox whose key Argon2id derives from the passphrase with the cost written
in the file; a file that differs in a single byte from what was written is refused. Beside the seed the box holds a
digest of the file's public part, so that no kind, role, label or public key can be put on another's seed. The unkeyed
checksum only tells damage from a wrong passphrase; it guards nothing.

Pure: no disk, and randomness is an argument. Left to the caller: that the seed gives the public key that the file
records, because private keys are constructed only where they live; and that nobody else can reach the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hmac import compare_digest
from types import MappingProxyType
from typing import Any, Final, Literal

from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id
from nacl.secret import SecretBox
from pydantic import Field, ValidationError

from licensing.algorithms import ED25519, PublicKey, digest
from licensing.document import Claims, Digest, KeyBytes, Name, first_fault
from licensing.errors import KeyFileDamaged, LicensingError, Malformed, PassphraseWrong, WrongKind
from licensing.strict_json import canonical, load_object
from licensing.trust import RoleName

KEY_FILE_LIMIT: Final = 16 * 1024
SEED_SIZE: Final = 32

RandomBytes = Callable[[int], bytes]
Algorithm = Literal["ed25519", "sm2"]
Kind = Literal["vendor-key", "officer-key"]
"""Whose key it is: neither side opens the other's files."""


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

    kind: Kind
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


class PublicKeyFile(Claims):
    """A public key on its way to the vendor, who shall name it in a trust document or a licence."""

    kind: Literal["vendor-public-key"] = "vendor-public-key"
    schema_version: Literal[1] = Field(default=1, alias="schema")
    algorithm: str
    public: KeyBytes
    role: RoleName | None = None
    label: Name

    @property
    def public_key(self) -> PublicKey:
        return PublicKey(self.algorithm, self.public)

    def to_bytes(self) -> bytes:
        return canonical(self.model_dump(mode="json", by_alias=True, exclude_none=True)) + b"\n"


def public_half(public_key: PublicKey, *, role: RoleName | None, label: str) -> PublicKeyFile:
    """The public key alone, in a file to hand on. Raises Malformed for a label that is none."""
    try:
        return PublicKeyFile(algorithm=public_key.algorithm, public=public_key.public, role=role, label=label)
    except ValidationError as error:
        raise _not_a_label(error) from error


def seal(
    seed: bytes,
    public_key: PublicKey,
    passphrase: bytes,
    *,
    kind: Kind,
    role: RoleName | None,
    label: str,
    random: RandomBytes,
    limits: KdfLimits = MODERATE,
) -> bytes:
    """The key file for this seed under this passphrase. Raises Malformed for a label that is none."""
    kdf = KdfRecord(ops=limits.ops, mem=limits.mem, salt=random(argon2id.SALTBYTES))
    try:
        draft = KeyFile.model_validate(
            {
                "kind": kind,
                "algorithm": public_key.algorithm,
                "public": public_key.public,
                "role": role,
                "label": label,
                "kdf": kdf,
                "sealed": b"",
                "checksum": digest(b""),
            }
        )
    except ValidationError as error:
        raise _not_a_label(error) from error
    secret = seed + _binding(_open_part(draft))
    box = _box(kdf, passphrase).encrypt(secret, random(SecretBox.NONCE_SIZE))
    sealed = draft.model_copy(update={"sealed": bytes(box)})
    whole = sealed.model_copy(update={"checksum": _checksum(sealed)})
    return canonical(whole.model_dump(mode="json", by_alias=True)) + b"\n"


def read_open_part(data: bytes, kind: Kind) -> KeyFile:
    """What the file says without a passphrase, if it is whole. Raises KeyFileDamaged, WrongKind."""
    try:
        members = load_object(data)
        file = KeyFile.model_validate_json(canonical(members))
        _ = file.public_key
    except (LicensingError, ValidationError) as error:
        raise KeyFileDamaged("The key file is not well-formed.") from error
    if canonical(members) + b"\n" != data or _checksum(file) != file.checksum:
        raise KeyFileDamaged("The key file is not as it was written.")
    if file.kind != kind:
        raise WrongKind(f"The file holds a key of kind {file.kind!r}; {kind!r} was expected.")
    return file


def unseal(file: KeyFile, passphrase: bytes) -> bytes:
    """The seed in a key file. Raises PassphraseWrong, KeyFileDamaged."""
    box = _box(file.kdf, passphrase)
    try:
        secret = box.decrypt(file.sealed)
    except (CryptoError, ValueError) as error:
        raise PassphraseWrong("The passphrase does not open this key.") from error
    seed, binding = secret[:SEED_SIZE], secret[SEED_SIZE:]
    if len(seed) != SEED_SIZE or not compare_digest(binding, _binding(_open_part(file))):
        raise KeyFileDamaged("The key file's public part is not the one that was sealed with the seed.")
    return seed


def require_pair(file: KeyFile, public_key: PublicKey) -> None:
    """That the key made of the seed is the one that the file records. Raises KeyFileDamaged."""
    if public_key != file.public_key:
        raise KeyFileDamaged("The seed does not give the public key that the file records.")


def _box(kdf: KdfRecord, passphrase: bytes) -> SecretBox:
    try:
        key = argon2id.kdf(SecretBox.KEY_SIZE, passphrase, kdf.salt, opslimit=kdf.ops, memlimit=kdf.mem)
    except CryptoError as error:
        raise LicensingError(
            f"The key for the key file cannot be derived; that takes {kdf.mem // 2**20} MiB of memory.",
            remedy="Close other programs on this host and try again.",
        ) from error
    return SecretBox(key)


def _not_a_label(error: ValidationError) -> Malformed:
    return Malformed(f"No key can be called that: {first_fault(error)}.", remedy="Choose another label.")


def _open_part(file: KeyFile) -> dict[str, Any]:
    return file.model_dump(mode="json", by_alias=True, exclude={"sealed", "checksum"})


def _binding(members: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(canonical(members)).digest()


def _checksum(file: KeyFile) -> str:
    return digest(canonical(file.model_dump(mode="json", by_alias=True, exclude={"checksum"})))
