"""The shape of every stated "no", and the refusals that licensing itself gives.

One tree for the whole product starts here, because this is the lowest package: `Refusal` is its root, and each package
grows its own branch (`LicensingError` here, `MediaError` in media, `ApplianceError` in appliance). The command line,
the HTTP API and the console render the same four fields: a stable code, a sentence, the place, and what to do next.

    Refusal
    └── LicensingError
        ├── Malformed            10  the bytes are not the document they claim to be
        ├── SignatureRefused     11  the signatures do not carry the threshold
        ├── WrongKind            12  a document of another kind or schema
        ├── WrongAudience        13  meant for another site, epoch or licence
        ├── SerialRefused        14  older than what was already accepted
        ├── AlgorithmUnknown     15  a signature scheme or digest that this release does not have
        ├── SerialConflict       16  the same serial as what was already accepted, with other content
        ├── KeyFileDamaged       17  a key file that is not what was written
        └── PassphraseWrong      18  a passphrase that does not open the key

Exit codes: 0 done, 1 unexpected fault, 2 wrong use of the command, 10-19 documents, 20-39 rungs of the licence ladder
(see standing.py), 40-49 this host and its state, 50-59 media, 60-69 configuration, 70-79 access, 80-89 usage, 90-99
passphrases, and the vendor's side.
"""

from __future__ import annotations

from typing import ClassVar


class Refusal(Exception):
    """A refusal that a person can act on.

    `message` is one clear sentence that says what is wrong; `where` names the place (file, line and column, key);
    `remedy` says what to do next. None of them may ever hold a prompt, a completion or a secret.
    """

    code: ClassVar[str] = "refused"
    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 400
    default_remedy: ClassVar[str] = "Read the message, correct the input, and try again."

    def __init__(self, message: str, *, where: str | None = None, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.remedy = remedy or self.default_remedy

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message

    def as_dict(self) -> dict[str, str]:
        """The refusal as every JSON face shows it: `code`, `message`, `remedy` and, where known, `where`."""
        shown = {"code": self.code, "message": self.message, "remedy": self.remedy}
        return shown | {"where": self.where} if self.where else shown


class LicensingError(Refusal):
    """Root of what licensing refuses."""

    code = "licensing_refused"
    exit_code = 10


class Malformed(LicensingError):
    """The bytes are not the document they claim to be."""

    code = "document_malformed"
    exit_code = 10
    default_remedy = "Ask the sender for a fresh copy; the file was damaged or changed on the way."


class SignatureRefused(LicensingError):
    """Too few of the keys that the pinned trust names for this role have signed these bytes."""

    code = "signature_refused"
    exit_code = 11
    default_remedy = "Ask the sender for a fresh copy signed by the role's keys; do not use this file."


class WrongKind(LicensingError):
    """A document of another kind, or of a schema that this release does not read."""

    code = "document_kind"
    exit_code = 12
    default_remedy = "Check that the right file was given to this command."


class WrongAudience(LicensingError):
    """A genuine document that is meant for somebody else."""

    code = "document_audience"
    exit_code = 13
    default_remedy = "Ask the sender for a document made for this site."


class SerialRefused(LicensingError):
    """Older than what was already accepted."""

    code = "serial_refused"
    exit_code = 14
    default_remedy = "Ask the sender for a document with a newer serial."


class AlgorithmUnknown(LicensingError):
    """A signature scheme or digest that this release does not have; unknown always fails closed."""

    code = "algorithm_unknown"
    exit_code = 15
    default_remedy = "Upgrade the appliance, or ask the sender to sign with an algorithm that it knows."


class SerialConflict(LicensingError):
    """Two different documents carry the same serial: one of them should not exist."""

    code = "serial_conflict"
    exit_code = 16
    default_remedy = (
        "Keep both files and call the vendor: a key may have been misused. The document in force stays in force."
    )


class KeyFileDamaged(LicensingError):
    """A key file is not what was written: damaged, or changed by somebody."""

    code = "key_file_damaged"
    exit_code = 17
    default_remedy = "Restore the key file from a backup; do not repair it by hand."


class PassphraseWrong(LicensingError):
    """The passphrase does not open the key."""

    code = "passphrase_wrong"
    exit_code = 18
    default_remedy = "Try again with the passphrase that was chosen when the key was made."
