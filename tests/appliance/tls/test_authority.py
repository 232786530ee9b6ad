"""What the site's own authority signs, as OpenSSL sees it: for what it is meant, and for nothing else."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from appliance.tls.authority import (
    LEAF_DAYS,
    Names,
    Pair,
    issue_client,
    issue_server,
    make_authority,
    revocation_list,
    self_signed,
)

NOW = datetime.now(UTC).replace(microsecond=0)
NAMES = Names(dns=["gw.bank.internal"], addresses=[ip_address("10.0.0.5")])


def authority(**changes: object) -> Pair:
    return make_authority("Bank CA", **({"days": 3650, "now": NOW} | changes))  # type: ignore[arg-type]


def verified(folder: Path, pair: Pair, by: Pair, purpose: str, *more: str, crl: bytes = b"") -> str:
    """What `openssl verify` says of a certificate, with a purpose: "OK", or its error."""
    (folder / "leaf.pem").write_bytes(pair.certificate.public_bytes(Encoding.PEM))
    (folder / "ca.pem").write_bytes(by.certificate.public_bytes(Encoding.PEM) + crl)
    checked = ["-crl_check"] if crl else []
    done = subprocess.run(
        [
            *("openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", str(folder / "ca.pem")),
            *checked,
            *more,
            str(folder / "leaf.pem"),
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return "OK" if done.returncode == 0 else done.stderr


def test_a_server_is_believed_by_its_names_and_as_nothing_else(tmp_path: Path) -> None:
    ca = authority()
    pair = issue_server(ca, NAMES, days=397, now=NOW)
    assert verified(tmp_path, pair, ca, "sslserver", "-verify_hostname", "gw.bank.internal") == "OK"
    assert verified(tmp_path, pair, ca, "sslserver", "-verify_ip", "10.0.0.5") == "OK"
    assert "hostname mismatch" in verified(tmp_path, pair, ca, "sslserver", "-verify_hostname", "other.bank.internal")
    assert "IP address mismatch" in verified(tmp_path, pair, ca, "sslserver", "-verify_ip", "10.0.0.6")
    assert "purpose" in verified(tmp_path, pair, ca, "sslclient")


def test_a_client_is_none_that_could_pose_as_a_server(tmp_path: Path) -> None:
    ca = authority()
    pair = issue_client(ca, "billing", days=397, now=NOW)
    assert verified(tmp_path, pair, ca, "sslclient") == "OK"
    assert "purpose" in verified(tmp_path, pair, ca, "sslserver")


def test_what_it_signed_can_sign_nothing(tmp_path: Path) -> None:
    ca = authority()
    server = issue_server(ca, NAMES, days=397, now=NOW)
    below = issue_server(server, Names(dns=["evil.bank.internal"]), days=30, now=NOW)
    bundle = Pair(server.certificate, ca.key)
    assert "OK" not in verified(tmp_path, below, bundle, "sslserver")
    constraints = ca.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 0)


def test_names_that_are_not_permitted_are_not_believed(tmp_path: Path) -> None:
    ca = authority(permitted_dns=["bank.internal"], permitted_networks=[ip_network("10.0.0.0/8")])
    assert verified(tmp_path, issue_server(ca, NAMES, days=30, now=NOW), ca, "sslserver") == "OK"
    for names in (Names(dns=["gw.elsewhere.example"]), Names(addresses=[ip_address("192.168.1.1")])):
        refused = verified(tmp_path, issue_server(ca, names, days=30, now=NOW), ca, "sslserver")
        assert "permitted subtree violation" in refused


def test_nothing_lasts_longer_than_it_may() -> None:
    ca = authority()
    long = issue_server(ca, NAMES, days=5000, now=NOW).certificate
    assert long.not_valid_after_utc - NOW == timedelta(days=LEAF_DAYS)
    short = authority(days=10)
    leaf = issue_server(short, NAMES, days=397, now=NOW).certificate
    assert leaf.not_valid_after_utc == short.certificate.not_valid_after_utc


def test_one_that_is_revoked_is_refused_and_another_is_not(tmp_path: Path) -> None:
    ca = authority()
    gone, kept = (issue_client(ca, name, days=30, now=NOW) for name in ("gone", "kept"))
    made = revocation_list(ca, [(gone.certificate.serial_number, NOW)], number=1, days=30, now=NOW)
    crl = made.public_bytes(Encoding.PEM)
    assert verified(tmp_path, kept, ca, "sslclient", crl=crl) == "OK"
    assert "certificate revoked" in verified(tmp_path, gone, ca, "sslclient", crl=crl)


@pytest.mark.parametrize("curve", ["P-256", "P-384"])
def test_one_that_vouches_for_itself_is_a_server_with_its_names(tmp_path: Path, curve: str) -> None:
    pair = self_signed(NAMES, days=397, now=NOW, curve=curve)  # type: ignore[arg-type]
    assert verified(tmp_path, pair, pair, "sslserver", "-verify_hostname", "gw.bank.internal") == "OK"
