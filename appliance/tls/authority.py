"""A certificate authority as small as a closed network needs: it signs servers, clients and lists of what is revoked.

Promise: its own certificate may sign, but no further authority (path length 0), and where names are permitted, only for
these (a critical constraint); what it signs may sign nothing, is for servers or for clients and never for both, and
lasts 825 days at most and never longer than the authority. Time comes in as an argument; keys are made by the library.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LEAF_DAYS: Final = 825
"""What clients bear at most: Apple's refuse a server's certificate that lasts longer, whoever signed it."""
BACKDATED: Final = timedelta(minutes=5)
"""A host whose clock is a little behind believes a new certificate too."""

Curve = Literal["P-256", "P-384"]
CURVES: Final[dict[str, type[ec.EllipticCurve]]] = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1}
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Names:
    """What a server is reached by."""

    dns: Sequence[str] = ()
    addresses: Sequence[Address] = ()

    def __bool__(self) -> bool:
        return bool(self.dns or self.addresses)

    @property
    def common(self) -> str:
        """For people; clients look at the others. It has 64 characters at most."""
        return str([*self.dns, *self.addresses][0])[:64]

    def extension(self) -> x509.SubjectAlternativeName:
        return x509.SubjectAlternativeName(
            [*(x509.DNSName(each) for each in self.dns), *(x509.IPAddress(each) for each in self.addresses)]
        )


def make_authority(
    name: str,
    *,
    days: int,
    now: datetime,
    curve: Curve = "P-256",
    permitted_dns: Sequence[str] = (),
    permitted_networks: Sequence[Network] = (),
) -> Pair:
    """An authority that signed itself."""
    key = ec.generate_private_key(CURVES[curve]())
    subject = _name(name)
    builder = _builder(subject, subject, key, now, now + timedelta(days=days))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs=True), critical=True)
    permitted: list[x509.GeneralName] = [x509.DNSName(each) for each in permitted_dns]
    permitted += [x509.IPAddress(each) for each in permitted_networks]
    if permitted:
        builder = builder.add_extension(x509.NameConstraints(permitted, None), critical=True)
    return Pair(builder.sign(key, SHA256()), key)


def issue_server(authority: Pair, names: Names, *, days: int, now: datetime, curve: Curve = "P-256") -> Pair:
    key = ec.generate_private_key(CURVES[curve]())
    builder = _leaf(authority, _name(names.common), key, days, now, ExtendedKeyUsageOID.SERVER_AUTH)
    builder = builder.add_extension(names.extension(), critical=False)
    return Pair(builder.sign(authority.key, SHA256()), key)


def issue_client(authority: Pair, name: str, *, days: int, now: datetime, curve: Curve = "P-256") -> Pair:
    key = ec.generate_private_key(CURVES[curve]())
    builder = _leaf(authority, _name(name), key, days, now, ExtendedKeyUsageOID.CLIENT_AUTH)
    return Pair(builder.sign(authority.key, SHA256()), key)


def self_signed(names: Names, *, days: int, now: datetime, curve: Curve = "P-256") -> Pair:
    """A server that vouches for itself: believed by whoever was told its fingerprint."""
    key = ec.generate_private_key(CURVES[curve]())
    subject = _name(names.common)
    builder = _builder(subject, subject, key, now, now + timedelta(days=days))
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    builder = builder.add_extension(names.extension(), critical=False)
    return Pair(builder.sign(key, SHA256()), key)


def revocation_list(
    authority: Pair, serials: Sequence[tuple[int, datetime]], *, number: int, days: int, now: datetime
) -> x509.CertificateRevocationList:
    """The list of everything revoked, each with its time."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(now - BACKDATED)
        .next_update(now + timedelta(days=days))
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(_authority_key(authority), critical=False)
    )
    for serial, at in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(authority.key, SHA256())


def _leaf(
    authority: Pair,
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    days: int,
    now: datetime,
    purpose: x509.ObjectIdentifier,
) -> x509.CertificateBuilder:
    end = min(now + timedelta(days=min(days, LEAF_DAYS)), authority.certificate.not_valid_after_utc)
    builder = _builder(subject, authority.certificate.subject, key, now, end)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    return builder.add_extension(_authority_key(authority), critical=False)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _authority_key(authority: Pair) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
