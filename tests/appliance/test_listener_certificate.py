"""TLS at the gateway: which pair is refused, and what a real listener then speaks."""

from __future__ import annotations

import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from appliance.errors import CertificateRefused, SettingsRefused
from appliance.listener_certificate import check_pair
from appliance.settings import Settings, load_settings
from tests.appliance.gateways import AO, Gateway, models_text

NOW = datetime.now(UTC)
GOOD_CIPHERS = ("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305")
BELOW_THE_FLOOR = ("ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-CCM")
"""Offered alone at TLS 1.2, they are refused: CBC and CCM. (RSA key exchange needs another kind of key.)"""


def openssl(*words: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *map(str, words)], input=stdin, capture_output=True, text=True, timeout=30)


def pair(folder: Path, name: str = "gw") -> tuple[Path, Path]:
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    made = openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"),
        *("-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-out", certificate, "-keyout", key),
    )
    assert made.returncode == 0, made.stderr
    key.chmod(0o600)
    return certificate, key


def refused(certificate: Path, key: Path, now: datetime | None = None) -> CertificateRefused:
    with pytest.raises(CertificateRefused) as caught:
        check_pair(certificate, key, now or datetime.now(UTC) + timedelta(minutes=1))
    return caught.value


def test_a_good_pair_passes(tmp_path: Path) -> None:
    check_pair(*pair(tmp_path), datetime.now(UTC) + timedelta(minutes=1))


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    certificate, _ = pair(tmp_path)
    _, other = pair(tmp_path, "other")
    fault = refused(certificate, other)
    assert "does not belong" in str(fault)
    assert fault.where == str(other)


def test_a_certificate_out_of_its_time_is_refused(tmp_path: Path) -> None:
    files = pair(tmp_path)
    assert "expired at" in str(refused(*files, NOW + timedelta(days=3)))
    assert "not valid before" in str(refused(*files, NOW - timedelta(days=1)))


def test_a_chain_whose_signer_did_not_sign_is_refused(tmp_path: Path) -> None:
    certificate, key = pair(tmp_path)
    other, _ = pair(tmp_path, "other")
    certificate.write_text(certificate.read_text() + other.read_text())
    assert "chain is broken" in str(refused(certificate, key))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("-newkey", "rsa:1024"), "RSA of 1024 bits"),
        (("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"), "curve secp521r1"),
        (("-newkey", "ed448"), "RSA, EC and Ed25519 alone"),
    ],
)
def test_a_key_that_the_listener_could_not_use_is_refused(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    certificate, key = tmp_path / "gw.pem", tmp_path / "gw.key"
    options = ("-nodes", "-days", "2", "-subj", "/CN=gw")
    made = openssl("req", "-x509", *words, *options, "-out", certificate, "-keyout", key)
    assert made.returncode == 0, made.stderr
    key.chmod(0o600)
    assert says in str(refused(certificate, key))


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    certificate, key = pair(tmp_path)
    key.chmod(mode)
    assert f"mode {mode:04o}" in str(refused(certificate, key))


def test_an_encrypted_key_is_refused(tmp_path: Path) -> None:
    certificate, key = pair(tmp_path)
    sealed = tmp_path / "sealed.key"
    assert openssl("pkey", "-in", key, "-aes256", "-passout", "pass:x", "-out", sealed).returncode == 0
    sealed.chmod(0o600)
    assert "encrypted" in str(refused(certificate, sealed))


def test_files_that_are_no_pair_are_refused(tmp_path: Path) -> None:
    certificate, key = pair(tmp_path)
    junk = tmp_path / "junk"
    junk.write_bytes(b"junk")
    junk.chmod(0o600)
    assert "no PEM certificate" in str(refused(junk, key))
    assert "no PEM private key" in str(refused(certificate, junk))
    assert "cannot be read" in str(refused(tmp_path / "none", key))
    junk.write_bytes(bytes(300 * 1024))
    assert "larger than" in str(refused(junk, key))


def test_one_half_of_a_pair_is_no_setting() -> None:
    with pytest.raises(SettingsRefused, match="go together"):
        load_settings(None, {}, {"tls_key": "/k"})
    assert Settings(tls_certificate=Path("/c"), tls_key=Path("/k")).scheme == "https"


def test_the_gateway_speaks_tls_from_1_2_on_and_nothing_else(tmp_path: Path) -> None:
    certificate, key = pair(tmp_path)
    gateway = Gateway(tmp_path, models_text({"m": ["http://127.0.0.1:9/v1"]}))
    settings = tmp_path / "settings.toml"
    settings.write_text(f'tls_certificate = "{certificate}"\ntls_key = "{key}"\n')
    gateway.extra_environment["AO_SETTINGS"] = str(settings)
    gateway.start()
    try:
        trusting = ssl.create_default_context(cafile=str(certificate))
        answer = httpx.get(f"https://127.0.0.1:{gateway.port}/readyz", verify=trusting)
        assert answer.status_code == 200
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"https://127.0.0.1:{gateway.port}/readyz")
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{gateway.port}/readyz")
        spoken = {
            version: openssl(
                *("s_client", "-connect", f"127.0.0.1:{gateway.port}", "-CAfile", certificate, f"-{version}"),
                *("-cipher", "DEFAULT:@SECLEVEL=0"),
            )
            for version in ("tls1_1", "tls1_2", "tls1_3")
        }
        assert {version: done.returncode for version, done in spoken.items()} == {
            "tls1_1": 1,
            "tls1_2": 0,
            "tls1_3": 0,
        }
        assert "SSL alert number" in spoken["tls1_1"].stderr  # the listener's own refusal, not the client's
        ciphers = {
            cipher: openssl(
                *("s_client", "-connect", f"127.0.0.1:{gateway.port}", "-CAfile", certificate),
                *("-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0"),
            ).returncode
            for cipher in (*GOOD_CIPHERS, *BELOW_THE_FLOOR)
        }
        assert ciphers == dict.fromkeys(GOOD_CIPHERS, 0) | dict.fromkeys(BELOW_THE_FLOOR, 1)
    finally:
        gateway.stop()


def test_a_gateway_with_a_bad_pair_does_not_start_and_says_which_file(tmp_path: Path) -> None:
    certificate, key = pair(tmp_path)
    key.chmod(0o644)
    gateway = Gateway(tmp_path, models_text({"m": ["http://127.0.0.1:9/v1"]}))
    settings = tmp_path / "settings.toml"
    settings.write_text(f'tls_certificate = "{certificate}"\ntls_key = "{key}"\n')
    gateway.extra_environment["AO_SETTINGS"] = str(settings)
    done = subprocess.run(
        [str(AO), "serve", "--port", str(gateway.port)],
        env=gateway.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == CertificateRefused.exit_code
    assert str(key) in done.stderr
    assert "0644" in done.stderr
