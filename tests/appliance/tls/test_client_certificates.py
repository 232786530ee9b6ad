"""Clients' certificates, with a real listener and real clients; and what asks the gateway on its own host."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from appliance.errors import ClientAuthorityRefused, SettingsRefused
from appliance.settings import load_settings
from appliance.tls.authority import Names, Pair, issue_client, issue_server, make_authority, revocation_list
from appliance.tls.authority_folder import key_pem, pem_of
from appliance.tls.material import read_material
from installer.host import Programs
from installer.serving import listens_at, wait_until_ready
from tests.appliance.gateways import Gateway, models_text

NOW = datetime.now(UTC)
SERVERS = make_authority("Servers", days=30, now=NOW)
CLIENTS = make_authority("Clients", days=30, now=NOW)
STRANGERS = make_authority("Clients", days=30, now=NOW)
"""Another authority, of the same name."""


class NoPrograms(Programs):
    """No unit of systemd's has failed here."""

    def succeeds(self, *_words: str) -> bool:
        return False


def put(file: Path, content: bytes) -> Path:
    file.touch(mode=0o600)
    file.write_bytes(content)
    return file


class Asking:
    """A gateway that asks its clients for certificates of CLIENTS."""

    def __init__(self, folder: Path, *more: str) -> None:
        self.folder = folder
        server = issue_server(SERVERS, Names(dns=["localhost"]), days=20, now=NOW)
        self.good, self.gone = (issue_client(CLIENTS, name, days=20, now=NOW) for name in ("good", "gone"))
        put(folder / "gw.pem", pem_of(server.certificate))
        put(folder / "gw.key", key_pem(server.key))
        put(folder / "clients.pem", pem_of(CLIENTS.certificate))
        self.revoke()
        self.settings = folder / "settings.toml"
        self.gateway = Gateway(folder, models_text({"m": ["http://127.0.0.1:9/v1"]}))
        lines = [f'state_dir = "{self.gateway.state}"', f"port = {self.gateway.port}"]
        lines += [f'tls_{name} = "{folder / file}"' for name, file in (("certificate", "gw.pem"), ("key", "gw.key"))]
        self.settings.write_text("\n".join([*lines, f'tls_client_ca = "{folder / "clients.pem"}"', *more, ""]))
        self.gateway.extra_environment["AO_SETTINGS"] = str(self.settings)

    def revoke(self, *pairs: Pair, at: datetime = NOW) -> None:
        """The list is due for its successor 20 days after `at`."""
        entries = [(each.certificate.serial_number, at) for each in pairs]
        made = revocation_list(CLIENTS, entries, number=1, days=20, now=at)
        put(self.folder / "crl.pem", made.public_bytes(Encoding.PEM))

    def models(self, pair: Pair | None) -> int | None:
        """The status of a call with this certificate; None where the listener ended the handshake."""
        context = ssl.create_default_context(cadata=SERVERS.certificate.public_bytes(Encoding.PEM).decode())
        if pair is not None:
            file = put(self.folder / "client.both", pem_of(pair.certificate) + key_pem(pair.key))
            context.load_cert_chain(file)
        try:
            return httpx.get(
                f"https://localhost:{self.gateway.port}/v1/models",
                headers={"authorization": f"Bearer {self.gateway.key}"},
                verify=context,
                trust_env=False,
            ).status_code
        except (httpx.TransportError, ssl.SSLError):
            return None


@pytest.fixture
def required(tmp_path: Path) -> Iterator[Asking]:
    made = Asking(tmp_path, f'tls_client_crl = "{tmp_path / "crl.pem"}"')
    made.gateway.start()
    yield made
    made.gateway.stop()


def test_only_a_client_that_an_authority_in_force_vouches_for_is_let_in(required: Asking) -> None:
    assert required.models(required.good) == 200
    assert required.models(required.gone) == 200
    assert required.models(None) is None
    assert required.models(issue_client(STRANGERS, "good", days=20, now=NOW)) is None
    assert required.models(issue_server(CLIENTS, Names(dns=["a"]), days=20, now=NOW)) is None, "a server is no client"
    # From the reload on, and not before, one that was revoked meanwhile is refused.
    required.revoke(required.gone)
    assert required.models(required.gone) == 200
    done = required.gateway.ao("tls", "reload")
    assert done.returncode == 0, done.stderr
    for _ in range(10):
        assert required.models(required.gone) is None
    assert required.models(required.good) == 200
    # The host's own checks need no client's certificate.
    assert required.gateway.ao("status").returncode == 0
    wait_until_ready(NoPrograms(), listens_at(required.settings), 10)


def test_a_list_past_its_next_update_still_revokes_and_keeps_nobody_else_out(tmp_path: Path) -> None:
    asking = Asking(tmp_path, f'tls_client_crl = "{tmp_path / "crl.pem"}"')
    asking.revoke(asking.gone, at=NOW - timedelta(days=40))
    asking.gateway.start()
    try:
        assert asking.models(asking.good) == 200
        assert asking.models(asking.gone) is None
    finally:
        asking.gateway.stop()


def test_a_client_without_a_certificate_is_let_in_where_it_is_optional(tmp_path: Path) -> None:
    asking = Asking(tmp_path, 'tls_client = "optional"')
    asking.gateway.start()
    try:
        assert asking.models(None) == 200
        assert asking.models(asking.good) == 200
        assert asking.models(issue_client(STRANGERS, "good", days=20, now=NOW)) is None
    finally:
        asking.gateway.stop()


def refused(asking: Asking) -> ClientAuthorityRefused:
    with pytest.raises(ClientAuthorityRefused) as caught:
        read_material(load_settings(asking.settings, {}, {}), datetime.now(UTC))
    return caught.value


def test_authorities_and_lists_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    asking = Asking(tmp_path, f'tls_client_crl = "{tmp_path / "crl.pem"}"')
    put(tmp_path / "clients.pem", pem_of(asking.good.certificate))
    assert "is no authority" in str(refused(asking))
    put(tmp_path / "clients.pem", b"junk")
    assert "no PEM certificate" in str(refused(asking))
    put(
        tmp_path / "clients.pem",
        pem_of(make_authority("Old", days=1, now=datetime(2024, 1, 1, tzinfo=UTC)).certificate),
    )
    assert "expired at" in str(refused(asking))
    put(tmp_path / "clients.pem", pem_of(STRANGERS.certificate))
    assert "signed by no authority" in str(refused(asking))
    put(tmp_path / "clients.pem", pem_of(CLIENTS.certificate) + pem_of(SERVERS.certificate))
    assert "no revocation list of CN=Servers" in str(refused(asking))
    put(tmp_path / "crl.pem", b"junk")
    assert "no PEM revocation list" in str(refused(asking))
    (tmp_path / "crl.pem").unlink()
    fault = refused(asking)
    assert "cannot be read" in str(fault)
    assert fault.where == str(tmp_path / "crl.pem")


@pytest.mark.parametrize(
    "text",
    ['tls_client_ca = "/ca"', 'tls_certificate = "/c"\ntls_key = "/k"\ntls_client_crl = "/crl"'],
)
def test_settings_that_would_ask_for_nothing_are_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text + "\n")
    with pytest.raises(SettingsRefused):
        load_settings(file, {}, {})
