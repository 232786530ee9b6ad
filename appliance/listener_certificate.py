"""The certificate and key that the gateway listens with, judged before anything listens.

Promise: a pair that `check_pair` lets pass is one the listener can use now: the key is not encrypted, is nobody else's
to read, and belongs to the first certificate, which is valid at `now`; each certificate that follows has signed the one
before it. Whether a client trusts the last one is the client's affair. Nothing is written.
"""

from __future__ import annotations

import stat
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from appliance.errors import ApplianceError, CertificateRefused

LIMIT_BYTES = 256 * 1024
RSA_BITS = 2048
CURVES = ("secp256r1", "secp384r1")


def check_pair(certificate: Path, key: Path, now: datetime) -> None:
    """Raises CertificateRefused with the file at fault and what to do. `now` is aware."""
    check_bytes(certificate, key, now)


def check_bytes(certificate: Path, key: Path, now: datetime) -> tuple[bytes, bytes]:
    """The same, and gives what was judged: certificates and key, as PEM."""
    certificate_pem = read_file(certificate)
    try:
        chain = x509.load_pem_x509_certificates(certificate_pem)
    except ValueError as exc:
        raise CertificateRefused("The file holds no PEM certificate.", where=str(certificate)) from exc
    own = chain[0]
    if now < own.not_valid_before_utc:
        raise CertificateRefused(
            f"The certificate is not valid before {own.not_valid_before_utc:%Y-%m-%d %H:%M} UTC.",
            where=str(certificate),
        )
    if now >= own.not_valid_after_utc:
        raise CertificateRefused(
            f"The certificate expired at {own.not_valid_after_utc:%Y-%m-%d %H:%M} UTC.", where=str(certificate)
        )
    for child, parent in pairwise(chain):
        try:
            child.verify_directly_issued_by(parent)
        except (ValueError, TypeError, InvalidSignature) as exc:
            raise CertificateRefused(
                f"The chain is broken: {parent.subject.rfc4514_string()!r} did not sign "
                f"{child.subject.rfc4514_string()!r}. The gateway's own comes first, then each signer in order.",
                where=str(certificate),
            ) from exc
    _require_strength(own, certificate)
    key_pem = read_file(key)
    if _public_half(key, key_pem) != own.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo):
        raise CertificateRefused(f"The key does not belong to the certificate in {certificate}.", where=str(key))
    return certificate_pem, key_pem


def _require_strength(own: x509.Certificate, where: Path) -> None:
    """What the listener's library would not serve with, told before it is tried."""
    key = own.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < RSA_BITS:
            raise CertificateRefused(
                f"The key is RSA of {key.key_size} bits; at least {RSA_BITS} are needed.", where=str(where)
            )
    elif isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in CURVES:
            raise CertificateRefused(
                f"The key is on the curve {key.curve.name}; P-256 or P-384 is needed.", where=str(where)
            )
    elif not isinstance(key, ed25519.Ed25519PublicKey):
        raise CertificateRefused("The gateway can use keys of RSA, EC and Ed25519 alone.", where=str(where))


def _public_half(key: Path, pem: bytes) -> bytes:
    mode = stat.S_IMODE(key.stat().st_mode)
    if mode & 0o027:
        raise CertificateRefused(
            f"Others on this host can reach the key (mode {mode:04o}): make it 0600, or 0640.", where=str(key)
        )
    try:
        private = load_pem_private_key(pem, password=None)
    except TypeError as exc:
        raise CertificateRefused(
            "The key is encrypted, and nobody is there to type its passphrase when the gateway starts: "
            "decrypt it into a file of mode 0600.",
            where=str(key),
        ) from exc
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise CertificateRefused("The file holds no PEM private key.", where=str(key)) from exc
    return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def read_file(file: Path, refusal: type[ApplianceError] = CertificateRefused) -> bytes:
    """A small file, whole. Raises `refusal`."""
    try:
        with file.open("rb") as opened:
            content = opened.read(LIMIT_BYTES + 1)
    except OSError as exc:
        raise refusal(f"The file cannot be read: {exc.strerror}.", where=str(file)) from exc
    if len(content) > LIMIT_BYTES:
        raise refusal(f"The file is larger than {LIMIT_BYTES // 1024} KiB.", where=str(file))
    return content
