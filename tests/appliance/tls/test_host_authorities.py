"""Authorities are found where a distribution keeps them, and whoever the operator names is the only one asked."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from appliance.tls.host_authorities import believes_nobody, trust_of_this_host


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    file = tmp_path / "etc" / "pki" / "bundle.pem"
    file.parent.mkdir(parents=True)
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "1", "-subj", "/CN=authority", "-keyout", tmp_path / "key.pem", "-out", file),
        ],
        check=True,
        capture_output=True,
    )
    return file


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenSSL's own place has nobody."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    monkeypatch.setattr("ssl.SSLContext.set_default_verify_paths", lambda _: None)


@pytest.mark.usefixtures("bare")
def test_the_first_bundle_that_is_there_is_believed(authority: Path, tmp_path: Path) -> None:
    trust = trust_of_this_host((tmp_path / "none.pem", authority))
    assert [each["subject"] for each in trust.get_ca_certs()] == [((("commonName", "authority"),),)]
    assert not believes_nobody(trust)


def test_where_the_operator_names_authorities_nobody_else_is_believed(
    authority: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "empty.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    trust = trust_of_this_host((authority,))
    assert trust.get_ca_certs() == []
    assert believes_nobody(trust)


def test_a_folder_of_authorities_is_somebody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "empty.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    (tmp_path / "0a1b2c3d.0").touch()
    assert not believes_nobody(trust_of_this_host())
