"""`ao tls init-ca|issue|revoke|import|self-signed|show|reload`."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from appliance.cli.face import Face, Result, command
from appliance.cli.passphrase import ask_passphrase, passphrase_options
from appliance.errors import IssueRefused
from appliance.operations import tls
from appliance.operations.tls import Placed
from appliance.tls.authority import CURVES, LEAF_DAYS, Curve, Names, Network
from appliance.tls.described import Described
from licensing.document import format_time

CA_FOLDER = Path("/etc/ao/ca")
CA_DAYS = 3650
SERVER_DAYS = 397
CLIENT_CRL_DAYS = 90
QUESTION = "Passphrase of the authority's key"
_DNS = re.compile(
    r"(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE
)

F = TypeVar("F", bound=Callable[..., Any])

_ca = click.option(
    "--ca", type=click.Path(path_type=Path), default=CA_FOLDER, show_default=True, help="The authority's folder."
)
_curve = click.option("--curve", type=click.Choice(list(CURVES)), default="P-256", show_default=True)
_dns = click.option("--dns", multiple=True, metavar="NAME", help="A name that clients reach it by (repeatable).")
_ip = click.option("--ip", "addresses", multiple=True, metavar="ADDRESS", help="An address of it (repeatable).")
_days = click.option(
    "--days", type=int, default=SERVER_DAYS, show_default=True, help=f"How long it lasts, {LEAF_DAYS} at most."
)


def add_to(main: click.Group) -> None:
    @main.group("tls")
    def group() -> None:
        """The gateway's certificate, and the site's own certificate authority."""

    _add_authority(group)
    _add_pairs(group)

    @command(group, "show", example="ao tls show")
    @click.argument("file", required=False, type=click.Path(path_type=Path))
    def show(face: Face, *, file: Path | None) -> Result:
        """Show the gateway's certificate and its signers, or those in FILE."""
        with face.site() as site:
            found = tls.show(site, face.settings, file, face.now)
        lines = [line for each in found for line in (*_lines(each), "")]
        return Result({"chain": [each.as_dict() for each in found]}, lines[:-1])

    @command(group, "reload", example="ao tls reload")
    def reload(face: Face) -> Result:
        """Have the running gateway present the certificate that is in place now. No call is dropped.

        The pair is judged first; one that is refused changes nothing. SIGHUP to `ao serve` (systemctl reload ao) does
        the same.
        """
        with face.site() as site:
            material = tls.reload(site, face.settings, face.now)
        return Result(
            {"reloaded": True, "sha256": material.fingerprint, "not_after": format_time(material.ends)},
            [f"Presented now: {material}."],
        )


def _add_authority(group: click.Group) -> None:
    @command(group, "init-ca", example="ao tls init-ca --name 'Acme internal CA' --permit-dns bank.internal")
    @click.option("--name", required=True, help="The authority's name, as clients show it.")
    @_ca
    @_curve
    @click.option("--days", type=click.IntRange(1, 7300), default=CA_DAYS, show_default=True)
    @click.option("--permit-dns", multiple=True, metavar="DOMAIN", help="It may sign for this domain (repeatable).")
    @click.option("--permit-ip", multiple=True, metavar="NETWORK", help="It may sign for this network (repeatable).")
    @click.option("--passphrase", "protect", is_flag=True, help="Ask for a passphrase to keep the key under.")
    @passphrase_options
    def init_ca(
        face: Face,
        *,
        name: str,
        ca: Path,
        curve: str,
        days: int,
        permit_dns: tuple[str, ...],
        permit_ip: tuple[str, ...],
        protect: bool,
        passphrase_file: Path | None,
        passphrase_fd: int | None,
    ) -> Result:
        """Make a certificate authority in a folder of its own. With no --permit-… it may sign for any name."""
        if not 1 <= len(name) <= 64:
            raise IssueRefused("An authority's name has 1 to 64 characters.", where="--name")
        domains = [_dns_name(each.removeprefix("."), "--permit-dns") for each in permit_dns]
        networks = [_network(each) for each in permit_ip]
        wanted = protect or passphrase_file is not None or passphrase_fd is not None
        ask = ask_passphrase(passphrase_file, passphrase_fd, confirm=True, question=QUESTION)
        with face.site() as site:
            made = tls.init_ca(
                site,
                ca.absolute(),
                name,
                days=days,
                curve=cast(Curve, curve),
                permitted_dns=domains,
                permitted_networks=networks,
                passphrase=ask().reveal() if wanted else None,
                now=face.now,
            )
        certificate = ca.absolute() / "ca.pem"
        return Result(
            {"certificate": made.as_dict(), "file": str(certificate), "protected": wanted},
            [*_lines(made), "", f"Give {certificate} to every client. The key beside it goes nowhere; back it up."],
        )

    @command(group, "issue", example="ao tls issue --dns gateway.bank.internal --ip 10.0.0.5")
    @_dns
    @_ip
    @click.option("--client", metavar="NAME", help="For a client of this name, not for a server.")
    @click.option("--out", type=click.Path(path_type=Path), help="Write OUT.pem and OUT.key, for another host.")
    @_days
    @_ca
    @_curve
    @passphrase_options
    def issue(
        face: Face,
        *,
        dns: tuple[str, ...],
        addresses: tuple[str, ...],
        client: str | None,
        out: Path | None,
        days: int,
        ca: Path,
        curve: str,
        passphrase_file: Path | None,
        passphrase_fd: int | None,
    ) -> Result:
        """Sign a certificate by the site's own authority: for this gateway, and put in place; or to files (--out).

        A client's is for tls_client_ca. The signer stands after it in the file.
        """
        names = _names(dns, addresses)
        if client is not None and (names or out is None):
            raise IssueRefused("A client has one name, and goes to files.", remedy="Say --client NAME --out FILE.")
        ask = ask_passphrase(passphrase_file, passphrase_fd, question=QUESTION)

        def passphrase() -> bytes:
            return ask().reveal()

        with face.site() as site:
            if out is None:
                placed = tls.issue_for_gateway(
                    site,
                    face.settings,
                    ca.absolute(),
                    passphrase,
                    names,
                    days=days,
                    curve=cast(Curve, curve),
                    now=face.now,
                )
                return _placed(placed)
            made = tls.issue_to_files(
                site,
                ca.absolute(),
                passphrase,
                client if client is not None else names,
                out=out.absolute(),
                days=days,
                curve=cast(Curve, curve),
                now=face.now,
            )
        return Result(
            {
                "certificate": made.certificate.as_dict(),
                "certificate_file": str(made.certificate_file),
                "key_file": str(made.key_file),
            },
            [*_lines(made.certificate), "", f"Written: {made.certificate_file}, {made.key_file}."],
        )

    @command(group, "revoke", example="ao tls revoke laptop-7.pem")
    @click.argument("certificate", type=click.Path(path_type=Path))
    @_ca
    @click.option("--days", type=click.IntRange(1, 3650), default=CLIENT_CRL_DAYS, show_default=True)
    @passphrase_options
    def revoke(
        face: Face,
        *,
        certificate: Path,
        ca: Path,
        days: int,
        passphrase_file: Path | None,
        passphrase_fd: int | None,
    ) -> Result:
        """Put a certificate of the site's authority on its list of what is revoked (crl.pem in its folder).

        The gateway looks at the file that tls_client_crl names, at its start and at each ao tls reload.
        """
        ask = ask_passphrase(passphrase_file, passphrase_fd, question=QUESTION)
        with face.site() as site:
            file, count = tls.revoke(site, ca.absolute(), lambda: ask().reveal(), certificate, days=days, now=face.now)
        return Result(
            {"file": str(file), "revoked": count},
            [f"{file} lists {count} certificates. Put it where tls_client_crl says, then run: ao tls reload."],
        )


def _add_pairs(group: click.Group) -> None:
    @command(group, "import", example="ao tls import gateway.pem gateway.key")
    @click.argument("certificate", type=click.Path(path_type=Path))
    @click.argument("key", type=click.Path(path_type=Path))
    def import_(face: Face, *, certificate: Path, key: Path) -> Result:
        """Judge a pair of files (CERTIFICATE holds its signers too), and put a copy in place. The old one is kept."""
        with face.site() as site:
            return _placed(tls.import_pair(site, face.settings, certificate, key, face.now))

    @command(group, "self-signed", example="ao tls self-signed --dns gateway.bank.internal --ip 10.0.0.5")
    @_dns
    @_ip
    @_days
    @_curve
    def self_signed(face: Face, *, dns: tuple[str, ...], addresses: tuple[str, ...], days: int, curve: str) -> Result:
        """Make a certificate that vouches for itself, and put it in place. Clients compare its fingerprint."""
        names = _names(dns, addresses)
        if not names:
            raise IssueRefused("It needs a name or an address.", remedy="Add --dns NAME or --ip ADDRESS.")
        with face.site() as site:
            return _placed(
                tls.make_self_signed(site, face.settings, names, days=days, curve=cast(Curve, curve), now=face.now)
            )


def _placed(placed: Placed) -> Result:
    after = (
        ["A running gateway presents it after: ao tls reload"]
        if placed.named
        else [
            "The settings do not name it yet. Add to the settings file, and start the gateway again:",
            f'  tls_certificate = "{placed.files.certificate}"',
            f'  tls_key = "{placed.files.key}"',
        ]
    )
    return Result(
        {
            "certificate": placed.certificate.as_dict(),
            "tls_certificate": str(placed.files.certificate),
            "tls_key": str(placed.files.key),
            "named_in_settings": placed.named,
        },
        [*_lines(placed.certificate), "", *after],
    )


def _lines(told: Described) -> list[str]:
    left = f"{told.days_left} days left" if told.days_left >= 0 else f"expired {-told.days_left} days ago"
    return [
        f"subject      {told.subject}",
        f"issuer       {told.issuer}",
        *([f"names        {', '.join(told.names)}"] if told.names else []),
        f"valid        {format_time(told.not_before)} until {format_time(told.not_after)} ({left})",
        f"SHA-256      {told.sha256}",
    ]


def _names(dns: tuple[str, ...], addresses: tuple[str, ...]) -> Names:
    try:
        found = [ip_address(each.strip("[]")) for each in addresses]
    except ValueError:
        raise IssueRefused("That is no address in numbers.", where="--ip") from None
    return Names([_dns_name(each, "--dns") for each in dns], found)


def _dns_name(text: str, where: str) -> str:
    if not _DNS.fullmatch(text) or len(text) > 253:
        raise IssueRefused(f"{text[:64]!r} is no DNS name.", where=where)
    return text


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError:
        raise IssueRefused(f"{text[:64]!r} is no network, as in 10.0.0.0/8.", where="--permit-ip") from None
