"""What administrators do about the gateway's certificate and about the site's own authority.

Each act is in the audit trail with the SHA-256 of what it made or put in place; no key is. A pair is judged before it
is put in place, and what is in place is presented from the next start or reload on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from appliance.access.authorise import Permission
from appliance.errors import IssueRefused, PlainListener
from appliance.listener_certificate import check_bytes, read_file
from appliance.operations.needs import needs
from appliance.serve_socket import ask_to_reload
from appliance.settings import Settings
from appliance.state.database import transaction
from appliance.state.site import Site
from appliance.tls import authority_folder
from appliance.tls.authority import (
    LEAF_DAYS,
    Curve,
    Names,
    Network,
    Pair,
    issue_client,
    issue_server,
    make_authority,
    self_signed,
)
from appliance.tls.authority_folder import key_pem, open_authority, pem_of
from appliance.tls.described import Described, all_in
from appliance.tls.folder import Installed, install
from appliance.tls.material import Material, read_material
from media.writer import write_document

Ask = Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Placed:
    """A pair in place. `named`: the settings name it, so a start or a reload presents it."""

    certificate: Described
    files: Installed
    named: bool


@dataclass(frozen=True, slots=True)
class Issued:
    certificate: Described
    certificate_file: Path
    key_file: Path


@needs(Permission.TLS_WRITE)
def init_ca(
    site: Site,
    folder: Path,
    name: str,
    *,
    days: int,
    curve: Curve,
    permitted_dns: Sequence[str],
    permitted_networks: Sequence[Network],
    passphrase: bytes | None,
    now: datetime,
) -> Described:
    """Makes an authority in a folder of its own. Raises AuthorityRefused."""
    authority = make_authority(
        name, days=days, now=now, curve=curve, permitted_dns=permitted_dns, permitted_networks=permitted_networks
    )
    authority_folder.keep(folder, authority, passphrase)
    told = Described.of(authority.certificate, now)
    with transaction(site.database):
        site.record("tls.init_ca", f"{told.subject} in {folder}", now, after=told.sha256)
    return told


@needs(Permission.TLS_WRITE)
def issue_for_gateway(
    site: Site,
    settings: Settings,
    folder: Path,
    passphrase: Ask,
    names: Names,
    *,
    days: int,
    curve: Curve,
    now: datetime,
) -> Placed:
    """A certificate of the site's own authority, put in place. Raises AuthorityRefused, IssueRefused."""
    authority = open_authority(folder, passphrase, now)
    _check(authority, names, days)
    pair = issue_server(authority, names, days=days, now=now, curve=curve)
    placed = _put(site, settings, pem_of(pair.certificate) + pem_of(authority.certificate), key_pem(pair.key), now)
    with transaction(site.database):
        site.record("tls.issue", _about(placed.certificate), now, after=placed.certificate.sha256)
    return placed


@needs(Permission.TLS_WRITE)
def issue_to_files(
    site: Site,
    folder: Path,
    passphrase: Ask,
    who: Names | str,
    *,
    out: Path,
    days: int,
    curve: Curve,
    now: datetime,
) -> Issued:
    """For another server (its names), or a client (one name): two new files, `out`.pem and `out`.key.

    Raises AuthorityRefused, IssueRefused, MediaError where a file is there.
    """
    authority = open_authority(folder, passphrase, now)
    if isinstance(who, str):
        if not 1 <= len(who) <= 64:
            raise IssueRefused("A client's name has 1 to 64 characters.", where="--client")
        _check_days(days)
        pair = issue_client(authority, who, days=days, now=now, curve=curve)
    else:
        _check(authority, who, days)
        pair = issue_server(authority, who, days=days, now=now, curve=curve)
    certificate, key = out.with_name(f"{out.name}.pem"), out.with_name(f"{out.name}.key")
    write_document(key, key_pem(pair.key), mode=0o600)
    write_document(certificate, pem_of(pair.certificate) + pem_of(authority.certificate), mode=0o644)
    told = Described.of(pair.certificate, now)
    with transaction(site.database):
        site.record("tls.issue", _about(told), now, after=told.sha256)
    return Issued(told, certificate, key)


@needs(Permission.TLS_WRITE)
def revoke(
    site: Site, folder: Path, passphrase: Ask, certificate: Path, *, days: int, now: datetime
) -> tuple[Path, int]:
    """Puts a certificate of this authority on its list. The list, and how many are on it.

    Raises AuthorityRefused, IssueRefused.
    """
    authority = open_authority(folder, passphrase, now)
    try:
        found = x509.load_pem_x509_certificates(read_file(certificate, IssueRefused))[0]
        found.verify_directly_issued_by(authority.certificate)
    except (ValueError, TypeError, InvalidSignature) as exc:
        raise IssueRefused("The file holds no certificate of this authority.", where=str(certificate)) from exc
    made = authority_folder.revoke(folder, authority, found.serial_number, days=days, now=now)
    told = Described.of(found, now)
    with transaction(site.database):
        site.record("tls.revoke", _about(told), now, before=told.sha256)
    return folder / authority_folder.REVOKED, len(list(made))


@needs(Permission.TLS_WRITE)
def make_self_signed(site: Site, settings: Settings, names: Names, *, days: int, curve: Curve, now: datetime) -> Placed:
    """Raises IssueRefused."""
    _check_days(days)
    pair = self_signed(names, days=days, now=now, curve=curve)
    placed = _put(site, settings, pem_of(pair.certificate), key_pem(pair.key), now)
    with transaction(site.database):
        site.record("tls.self_signed", _about(placed.certificate), now, after=placed.certificate.sha256)
    return placed


@needs(Permission.TLS_WRITE)
def import_pair(site: Site, settings: Settings, certificate: Path, key: Path, now: datetime) -> Placed:
    """Judges files from elsewhere, and puts a copy in place. Raises CertificateRefused; then nothing has changed."""
    placed = _put(site, settings, *check_bytes(certificate, key, now), now)
    with transaction(site.database):
        site.record("tls.import", _about(placed.certificate), now, after=placed.certificate.sha256)
    return placed


@needs(Permission.TLS_READ)
def show(site: Site, settings: Settings, file: Path | None, now: datetime) -> list[Described]:
    """The chain that is in place, or the one in a file. Raises PlainListener, CertificateRefused."""
    chosen = file or settings.tls_certificate
    if chosen is None:
        raise PlainListener("The settings name no certificate: the gateway speaks plain HTTP.")
    return all_in(chosen, now)


@needs(Permission.TLS_WRITE)
def reload(site: Site, settings: Settings, now: datetime) -> Material:
    """Has the running gateway take up what is in place. It is judged here first, so that a bad pair is told of at once.

    Raises PlainListener, CertificateRefused, ClientAuthorityRefused, NotServing, ReloadFailed.
    """
    material = read_material(settings, now)
    if material is None:
        raise PlainListener("The gateway speaks plain HTTP: it has no certificate to take up.")
    ask_to_reload(site.folder)
    with transaction(site.database):
        site.record("tls.reload", str(material), now, after=material.fingerprint)
    return material


def _put(site: Site, settings: Settings, certificate: bytes, key: bytes, now: datetime) -> Placed:
    files = install(site.folder, certificate, key)
    own = x509.load_pem_x509_certificates(certificate)[0]
    named = (settings.tls_certificate, settings.tls_key) == (files.certificate, files.key)
    return Placed(Described.of(own, now), files, named)


def _check(authority: Pair, names: Names, days: int) -> None:
    """Whether clients would believe it: the authority may be bound to certain names."""
    if not names:
        raise IssueRefused(
            "A server's certificate needs a name or an address.", remedy="Add --dns NAME or --ip ADDRESS."
        )
    _check_days(days)
    try:
        bound = authority.certificate.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees
    except x509.ExtensionNotFound:
        return
    domains = [each.value.lower() for each in bound or [] if isinstance(each, x509.DNSName)]
    networks = [each.value for each in bound or [] if isinstance(each.value, Network)]
    for name in names.dns:
        plain = name.lower().removeprefix("*.")
        if domains and not any(plain == each or plain.endswith(f".{each}") for each in domains):
            raise IssueRefused(f"The authority may not sign for {name}: only for {', '.join(domains)}.", where="--dns")
    for address in names.addresses:
        if networks and not any(address in each for each in networks):
            told = ", ".join(map(str, networks))
            raise IssueRefused(f"The authority may not sign for {address}: only for {told}.", where="--ip")


def _check_days(days: int) -> None:
    if not 1 <= days <= LEAF_DAYS:
        raise IssueRefused(f"A certificate lasts 1 to {LEAF_DAYS} days.", where="--days")


def _about(told: Described) -> str:
    names = ", ".join(told.names[:5]) or told.subject
    return f"{names}, until {told.not_after:%Y-%m-%d}, SHA-256 {told.sha256}"
