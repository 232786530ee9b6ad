"""Whom this host believes: the certificates of authorities that its administrator keeps.

OpenSSL knows one place, fixed when it was built; distributions keep theirs in several. Where OpenSSL's own place (or
SSL_CERT_FILE, SSL_CERT_DIR) has nobody, those of the distributions are looked at, the first that is there.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from pathlib import Path

BUNDLES = tuple(
    map(
        Path,
        (
            "/etc/ssl/certs/ca-certificates.crt",  # Debian, UOS, Arch
            "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # RHEL, openEuler, Kylin, Fedora
            "/etc/pki/tls/certs/ca-bundle.crt",  # the same, older
            "/etc/ssl/ca-bundle.pem",  # SUSE
            "/etc/ssl/cert.pem",  # Alpine
        ),
    )
)


def trust_of_this_host(bundles: Sequence[Path] = BUNDLES) -> ssl.SSLContext:
    """For calls to servers. Believes nobody where this host has no authorities."""
    context = ssl.create_default_context()
    if not (_named_by_the_operator() or _has_any(context)):
        for bundle in bundles:
            if bundle.is_file():
                context.load_verify_locations(cafile=bundle)
                break
    return context


def believes_nobody(context: ssl.SSLContext) -> bool:
    """Whether there is no authority at all in what `trust_of_this_host` gave."""
    paths = ssl.get_default_verify_paths()
    folder = Path(os.environ.get(paths.openssl_capath_env) or paths.openssl_capath)  # OpenSSL reads it when it needs it
    return not _has_any(context) and not (folder.is_dir() and any(folder.iterdir()))


def _named_by_the_operator() -> bool:
    return any(os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))


def _has_any(context: ssl.SSLContext) -> bool:
    return bool(context.cert_store_stats()["x509_ca"])
