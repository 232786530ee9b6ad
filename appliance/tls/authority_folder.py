"""An authority's own folder: its certificate, its key, and what it has revoked.

Promise: the key is its owner's alone (0600 in a folder of 0700), under a passphrase where one is given; nothing there
is overwritten but the list of what is revoked. The folder is best kept off the gateway's host, or at least out of the
gateway's hands: whoever has the key can make certificates that every client of the site believes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from appliance.errors import AuthorityRefused
from appliance.tls.authority import Pair, revocation_list
from media.errors import AlreadyThere, Exposed, MediaError, NotFound
from media.private_file import require_private
from media.reader import read_document
from media.writer import write_document

CERTIFICATE, KEY, REVOKED = "ca.pem", "ca.key", "crl.pem"
LIMIT_BYTES = 64 * 1024
CRL_LIMIT_BYTES = 4 * 1024 * 1024
Ask = Callable[[], bytes]


def pem_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def key_pem(key: ec.EllipticCurvePrivateKey, passphrase: bytes | None = None) -> bytes:
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def keep(folder: Path, authority: Pair, passphrase: bytes | None) -> None:
    """Raises AuthorityRefused where one is there already, or none can be written."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_mode & 0o077:
            raise AuthorityRefused("Others can reach the folder.", where=str(folder), remedy="Run: chmod 0700 on it.")
        if any((folder / each).exists() for each in (KEY, CERTIFICATE)):
            raise AuthorityRefused(
                "There is an authority in this folder.", where=str(folder), remedy="Name another folder with --ca."
            )
        write_document(folder / KEY, key_pem(authority.key, passphrase), mode=0o600)
        write_document(folder / CERTIFICATE, pem_of(authority.certificate), mode=0o644)
    except (AlreadyThere, MediaError) as exc:
        raise AuthorityRefused(f"The authority cannot be kept: {exc.message}", where=str(folder)) from exc
    except OSError as exc:
        raise AuthorityRefused(f"The authority cannot be kept: {exc.strerror}.", where=str(folder)) from exc


def open_authority(folder: Path, passphrase: Ask, now: datetime) -> Pair:
    """`passphrase` is asked for only where the key has one. Raises AuthorityRefused, PassphraseRefused."""
    try:
        require_private(folder / KEY, what="authority's key")
        pem = read_document(folder / KEY, limit=LIMIT_BYTES)
        certificate = x509.load_pem_x509_certificate(read_document(folder / CERTIFICATE, limit=LIMIT_BYTES))
    except NotFound as exc:
        raise AuthorityRefused("There is no authority in this folder.", where=str(folder)) from exc
    except Exposed as exc:
        raise AuthorityRefused(exc.message, where=str(folder / KEY), remedy="Run: chmod 0600 on it.") from exc
    except MediaError as exc:
        raise AuthorityRefused(f"The authority cannot be read: {exc.message}", where=str(folder)) from exc
    except ValueError as exc:
        raise AuthorityRefused("The authority's certificate cannot be read.", where=str(folder / CERTIFICATE)) from exc
    key = _key_in(pem, passphrase, folder / KEY)
    if key.public_key() != certificate.public_key():
        raise AuthorityRefused("Key and certificate do not belong to each other.", where=str(folder))
    if now >= certificate.not_valid_after_utc:
        raise AuthorityRefused(
            f"The authority expired at {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC.",
            where=str(folder),
            remedy="Make a new one in another folder (ao tls init-ca), and give its certificate to every client.",
        )
    return Pair(certificate, key)


def _key_in(pem: bytes, passphrase: Ask, where: Path) -> ec.EllipticCurvePrivateKey:
    encrypted = b"ENCRYPTED" in pem
    try:
        key = load_pem_private_key(pem, passphrase() if encrypted else None)
    except (ValueError, TypeError) as exc:
        why = "The passphrase is not right, or the key is damaged." if encrypted else "The key cannot be read."
        raise AuthorityRefused(why, where=str(where)) from exc
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise AuthorityRefused("The authority's key is not on an elliptic curve.", where=str(where))
    return key


def revoke(folder: Path, authority: Pair, serial: int, *, days: int, now: datetime) -> x509.CertificateRevocationList:
    """Adds it to the list, which is made anew. Raises AuthorityRefused."""
    before, number = _revoked(folder / REVOKED)
    entries = before if any(serial == each for each, _ in before) else [*before, (serial, now)]
    made = revocation_list(authority, entries, number=number + 1, days=days, now=now)
    try:
        write_document(folder / REVOKED, made.public_bytes(Encoding.PEM), replace=True, mode=0o644)
    except MediaError as exc:
        raise AuthorityRefused(f"The list cannot be written: {exc.message}", where=str(folder / REVOKED)) from exc
    return made


def _revoked(file: Path) -> tuple[list[tuple[int, datetime]], int]:
    try:
        found = x509.load_pem_x509_crl(read_document(file, limit=CRL_LIMIT_BYTES))
        number = found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except NotFound:
        return [], 0
    except (MediaError, ValueError, x509.ExtensionNotFound) as exc:
        raise AuthorityRefused("The list of what is revoked cannot be read.", where=str(file)) from exc
    return [(each.serial_number, each.revocation_date_utc) for each in found], number
