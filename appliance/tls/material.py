"""What the gateway's listener presents and asks for, read once from the files that the settings name, and judged.

Promise: material that `read_material` returns can be listened with now; the very bytes that were judged are the bytes
that every worker uses until the next reload, also one that starts after the files have changed. Nothing is written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from appliance.errors import ClientAuthorityRefused
from appliance.listener_certificate import check_bytes, read_file
from appliance.settings import Settings


@dataclass(frozen=True, slots=True)
class Material:
    """PEM texts. `client_ca` empty: no client is asked for a certificate. `crls`: one list each."""

    certificate: str
    key: str = field(repr=False)
    client_ca: str = ""
    crls: tuple[str, ...] = ()
    required: bool = False

    @property
    def chain(self) -> list[x509.Certificate]:
        return x509.load_pem_x509_certificates(self.certificate.encode())

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the gateway's own certificate, as `ao tls show` spells it."""
        return fingerprint(self.chain[0])

    @property
    def ends(self) -> datetime:
        """When the first certificate of the chain expires."""
        return min(each.not_valid_after_utc for each in self.chain)

    def __str__(self) -> str:
        return f"SHA-256 {self.fingerprint}, until {self.ends:%Y-%m-%d}"

    def as_dict(self) -> dict[str, Any]:
        return {
            "certificate": self.certificate,
            "key": self.key,
            "client_ca": self.client_ca,
            "crls": list(self.crls),
            "required": self.required,
        }


def fingerprint(certificate: x509.Certificate) -> str:
    """Groups of two, with colons: as browsers and openssl show it."""
    return certificate.fingerprint(SHA256()).hex(":").upper()


def read_material(settings: Settings, now: datetime) -> Material | None:
    """None where the gateway speaks plain HTTP. Raises CertificateRefused, ClientAuthorityRefused."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    certificate, key = check_bytes(settings.tls_certificate, settings.tls_key, now)
    if settings.tls_client_ca is None:
        return Material(certificate.decode(), key.decode())
    return Material(
        certificate.decode(),
        key.decode(),
        _authorities(settings.tls_client_ca, now),
        _revocations(settings.tls_client_crl, settings.tls_client_ca) if settings.tls_client_crl else (),
        settings.tls_client != "optional",
    )


def _authorities(file: Path, now: datetime) -> str:
    try:
        found = x509.load_pem_x509_certificates(_read(file))
    except ValueError as exc:
        raise ClientAuthorityRefused("The file holds no PEM certificate.", where=str(file)) from exc
    for each in found:
        if not _may_sign(each):
            raise ClientAuthorityRefused(
                f"{each.subject.rfc4514_string()!r} is no authority: its certificate may not sign others.",
                where=str(file),
            )
        if now >= each.not_valid_after_utc:
            raise ClientAuthorityRefused(
                f"The authority {each.subject.rfc4514_string()!r} expired at "
                f"{each.not_valid_after_utc:%Y-%m-%d %H:%M} UTC.",
                where=str(file),
            )
    return "".join(each.public_bytes(Encoding.PEM).decode() for each in found)


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _revocations(file: Path, ca_file: Path) -> tuple[str, ...]:
    """Each list is one of an authority in force: the listener refuses everybody whose authority has none."""
    authorities = x509.load_pem_x509_certificates(_read(ca_file))
    end = b"-----END X509 CRL-----"
    texts = [part + end + b"\n" for part in _read(file).split(end)[:-1]]
    if not texts:
        raise ClientAuthorityRefused("The file holds no PEM revocation list.", where=str(file))
    missing = {each.subject for each in authorities}
    for text in texts:
        try:
            found = x509.load_pem_x509_crl(text)
            signers = [each for each in authorities if each.subject == found.issuer]
            good = any(found.is_signature_valid(each.public_key()) for each in signers)  # type: ignore[arg-type]
        except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
            raise ClientAuthorityRefused("A revocation list cannot be read.", where=str(file)) from exc
        if not good:
            raise ClientAuthorityRefused(
                f"The revocation list of {found.issuer.rfc4514_string()!r} is signed by no authority in {ca_file}.",
                where=str(file),
            )
        missing.discard(found.issuer)
    if missing:
        named = ", ".join(sorted(each.rfc4514_string() for each in missing))
        raise ClientAuthorityRefused(
            f"There is no revocation list of {named}; all its clients would be refused.", where=str(file)
        )
    return tuple(text.decode("ascii") for text in texts)


def _read(file: Path) -> bytes:
    return read_file(file, ClientAuthorityRefused)
