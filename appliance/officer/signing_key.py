"""An officer's signing key: one person's, in one sealed file (`licensing.keyfile`), on any machine of that person's.

Promise: a key is taken only from a file that nobody else on this host can reach, and is the one whose public half the
file records; its seed shows nowhere. This is the only place that constructs an officer's private key. It knows no site,
no state and no licence: who is an officer, the licence says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.errors import OfficerKeyRefused
from licensing.algorithms import ED25519, PublicKey
from licensing.errors import LicensingError, Refusal, WrongKind
from licensing.keyfile import (
    KEY_FILE_LIMIT,
    MODERATE,
    SEED_SIZE,
    KdfLimits,
    KeyFile,
    PublicKeyFile,
    RandomBytes,
    public_half,
    read_open_part,
    require_pair,
    seal,
    unseal,
)
from licensing.shown import shown
from licensing.trust import RoleName
from media.passphrase import AskPassphrase, Passphrase
from media.private_file import require_private
from media.reader import read_document

KIND: Final = "officer-key"
ROLE: Final[RoleName] = "config"


class OfficerKey:
    """A private key in memory, able to sign (`licensing.envelope.Signer`). Shows its id, never its seed."""

    __slots__ = ("_signing", "label", "public_key")

    def __init__(self, label: str, seed: bytes) -> None:
        self._signing = Ed25519PrivateKey.from_private_bytes(seed)
        self.label = label
        self.public_key = PublicKey(ED25519, self._signing.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        return self._signing.sign(message)

    def sealed(self, passphrase: Passphrase, *, random: RandomBytes, limits: KdfLimits = MODERATE) -> bytes:
        """The key file of this key under this passphrase."""
        return seal(
            self._signing.private_bytes_raw(),
            self.public_key,
            passphrase.reveal(),
            kind=KIND,
            role=ROLE,
            label=self.label,
            random=random,
            limits=limits,
        )

    def __repr__(self) -> str:
        return f"OfficerKey(label={self.label!r}, keyid={self.public_key.keyid[:16]!r})"


def new_officer_key(label: str, random: RandomBytes) -> OfficerKey:
    """A key that nobody has yet. Raises Malformed for a label that no key can have."""
    key = OfficerKey(label, random(SEED_SIZE))
    public_half(key.public_key, role=ROLE, label=label)
    return key


def look_at(file: Path) -> KeyFile:
    """What an officer's key file says openly. Raises OfficerKeyRefused, KeyFileDamaged, MediaError."""
    return _read(read_document(file, limit=KEY_FILE_LIMIT), shown(str(file)))


def public_record(file: KeyFile) -> PublicKeyFile:
    """The public half, as the vendor takes it to name the officer in a licence."""
    return public_half(file.public_key, role=ROLE, label=file.label)


def open_officer_key(file: Path, ask: AskPassphrase) -> OfficerKey:
    """The key in a file; the passphrase is asked for once everything else about the file is in order.

    Raises Exposed, OfficerKeyRefused, KeyFileDamaged, PassphraseWrong, MediaError.
    """
    where = shown(str(file))
    data = read_document(file, limit=KEY_FILE_LIMIT)
    require_private(file, what="key file")
    return unsealed(_read(data, where), ask(), where=where)


def unsealed(file: KeyFile, passphrase: Passphrase, *, where: str) -> OfficerKey:
    """The key in what a file says. Raises PassphraseWrong, KeyFileDamaged."""
    try:
        key = OfficerKey(file.label, unseal(file, passphrase.reveal()))
        require_pair(file, key.public_key)
    except LicensingError as error:
        raise _at(error, where) from error
    return key


def _read(data: bytes, where: str) -> KeyFile:
    try:
        return read_open_part(data, KIND)
    except WrongKind as error:
        raise OfficerKeyRefused(error.message, where=where) from error
    except LicensingError as error:
        raise _at(error, where) from error


def _at(error: Refusal, where: str) -> Refusal:
    """The same refusal, with the file that it is about."""
    return type(error)(error.message, where=where, remedy=error.remedy)
