"""A certificate in words: for `ao tls show`, `ao status`, and whoever compares a fingerprint."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from appliance.errors import CertificateRefused
from appliance.listener_certificate import read_file
from appliance.tls.material import fingerprint
from licensing.document import format_time
from licensing.shown import shown

WARN_DAYS = 30
"""From so many days before its end on a certificate is warned of."""


@dataclass(frozen=True, slots=True)
class Described:
    """What is foreign text in it is harmless on a terminal."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    sha256: str
    days_left: int
    serial: str

    @classmethod
    def of(cls, certificate: x509.Certificate, now: datetime) -> Described:
        return cls(
            subject=shown(certificate.subject.rfc4514_string(), 200),
            issuer=shown(certificate.issuer.rfc4514_string(), 200),
            names=tuple(shown(each, 300) for each in _names(certificate)),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            sha256=fingerprint(certificate),
            days_left=(certificate.not_valid_after_utc - now).days,
            serial=f"{certificate.serial_number:x}",
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "issuer": self.issuer,
            "names": list(self.names),
            "not_before": format_time(self.not_before),
            "not_after": format_time(self.not_after),
            "sha256": self.sha256,
            "days_left": self.days_left,
            "serial": self.serial,
        }


def all_in(file: Path, now: datetime) -> list[Described]:
    """The certificates in a file, in order. Raises CertificateRefused."""
    try:
        return [Described.of(each, now) for each in x509.load_pem_x509_certificates(read_file(file))]
    except ValueError as exc:
        raise CertificateRefused("The file holds no PEM certificate.", where=str(file)) from exc


def first_in(file: Path, now: datetime) -> Described:
    """The one that the listener's own name stands in."""
    return all_in(file, now)[0]


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
