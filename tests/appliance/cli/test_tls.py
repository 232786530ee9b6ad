"""`ao tls`, as an operator types it: an authority, certificates by it, and the pair that is in place."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from appliance.access.authorise import Grant, Permission, Principal
from appliance.errors import AuthorityRefused, CertificateRefused, IssueRefused, NotPermitted, PlainListener
from appliance.observe.audit import entries
from appliance.operations import tls
from appliance.settings import Settings
from appliance.state.site import open_site
from appliance.tls.authority import LEAF_DAYS, Names
from appliance.tls.folder import installed_in
from tests.appliance.cli.commands import Said, ao
from tests.appliance.sites import make_site

TODAY = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    make_site(tmp_path / "state", now=TODAY - timedelta(hours=1)).close()
    return tmp_path / "state"


@pytest.fixture
def ca(state: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "ca"
    made = ao("tls", "init-ca", "--name", "Bank CA", "--ca", str(folder), "--permit-dns", "bank.internal", state=state)
    assert (made.code, made.fault) == (0, None), made
    return folder


def data(said: Said) -> Any:
    assert (said.code, said.fault) == (0, None), said
    return json.loads(said.out)


def refusal(said: Said) -> Any:
    assert said.fault is None
    return {"exit": said.code, **json.loads(said.out)["error"]}


def acts(state: Path) -> list[str]:
    with closing(open_site(state)) as site:
        return [each.act for each in entries(site.database, 0) if each.act.startswith("tls.")]


def test_an_authority_is_made_once_and_its_key_is_its_owners_alone(state: Path, ca: Path) -> None:
    assert (ca / "ca.key").stat().st_mode & 0o777 == 0o600
    before = (ca / "ca.key").read_bytes()
    again = refusal(ao("tls", "init-ca", "--json", "--name", "Other", "--ca", str(ca), state=state))
    assert again["exit"] == AuthorityRefused.exit_code
    assert (ca / "ca.key").read_bytes() == before
    (ca / "ca.key").chmod(0o640)
    exposed = refusal(ao("tls", "issue", "--json", "--dns", "a.bank.internal", "--ca", str(ca), state=state))
    assert exposed["exit"] == AuthorityRefused.exit_code
    assert "Other users" in exposed["message"]


def test_a_key_under_a_passphrase_is_opened_by_it_alone(state: Path, tmp_path: Path) -> None:
    folder, word = tmp_path / "ca", tmp_path / "word"
    word.write_text("tram gravel onion 47\n")
    word.chmod(0o600)
    options = ["--ca", str(folder), "--passphrase-file", str(word)]
    assert data(ao("tls", "init-ca", "--json", "--name", "Bank CA", *options, state=state))["protected"] is True
    with pytest.raises(TypeError):
        load_pem_private_key((folder / "ca.key").read_bytes(), None)
    issued = ao("tls", "issue", "--json", "--dns", "gw.bank.internal", *options, state=state)
    assert data(issued)["certificate"]["names"] == ["gw.bank.internal"]
    word.write_text("another one\n")
    wrong = refusal(ao("tls", "issue", "--json", "--dns", "gw.bank.internal", *options, state=state))
    assert (wrong["exit"], wrong["code"]) == (AuthorityRefused.exit_code, "authority_refused")


def test_a_certificate_of_its_own_authority_is_put_in_place_with_its_signer(state: Path, ca: Path) -> None:
    words = ["tls", "issue", "--json", "--dns", "gw.bank.internal", "--ip", "10.0.0.5", "--ca", str(ca)]
    made = data(ao(*words, state=state))
    files = installed_in(state)
    assert (made["tls_certificate"], made["tls_key"]) == (str(files.certificate), str(files.key))
    assert made["named_in_settings"] is False
    own, signer = x509.load_pem_x509_certificates(files.certificate.read_bytes())
    own.verify_directly_issued_by(signer)
    assert files.key.stat().st_mode & 0o777 == 0o600
    chain = data(ao("tls", "show", "--json", str(files.certificate), state=state))["chain"]
    assert chain[0]["sha256"] == made["certificate"]["sha256"]
    assert chain[0]["names"] == ["gw.bank.internal", "10.0.0.5"]
    assert acts(state) == ["tls.init_ca", "tls.issue"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--dns", "gw.elsewhere.example"], "may not sign for gw.elsewhere.example"),
        (["--dns", "gw.bank.internal", "--days", str(LEAF_DAYS + 1)], "825 days"),
        (["--dns", "no name"], "no DNS name"),
        (["--ip", "10.0.0"], "no address"),
        ([], "needs a name"),
        (["--client", "a"], "goes to files"),
    ],
)
def test_a_certificate_that_nobody_would_believe_is_not_made(
    state: Path, ca: Path, options: list[str], says: str
) -> None:
    refused = refusal(ao("tls", "issue", "--json", "--ca", str(ca), *options, state=state))
    assert refused["exit"] == IssueRefused.exit_code
    assert says in refused["message"]
    assert not installed_in(state).certificate.exists()


def test_a_pair_is_exchanged_as_a_whole_and_the_one_before_is_kept(state: Path) -> None:
    made = [
        data(ao("tls", "self-signed", "--json", "--dns", f"{name}.internal", state=state))["certificate"]["sha256"]
        for name in ("first", "second", "third")
    ]

    def sha256(link: str) -> str:
        file = state / "tls" / link / "certificate.pem"
        return str(data(ao("tls", "show", "--json", str(file), state=state))["chain"][0]["sha256"])

    assert (sha256("current"), sha256("previous")) == (made[2], made[1])
    assert len(list((state / "tls").glob("pair-*"))) == 2, "older ones are removed"


def test_an_import_is_judged_before_anything_changes(state: Path, tmp_path: Path) -> None:
    first = data(ao("tls", "self-signed", "--json", "--dns", "first.internal", state=state))
    files = installed_in(state)
    copy = tmp_path / "copy.pem"
    copy.write_bytes(files.certificate.read_bytes())
    ao("tls", "self-signed", "--dns", "second.internal", state=state)
    now = files.certificate.read_bytes()
    refused = refusal(ao("tls", "import", "--json", str(copy), str(files.key), state=state))
    assert refused["exit"] == CertificateRefused.exit_code
    assert files.certificate.read_bytes() == now
    back = state / "tls" / "previous"
    words = ["tls", "import", "--json", str(back / "certificate.pem"), str(back / "key.pem")]
    assert data(ao(*words, state=state))["certificate"]["sha256"] == first["certificate"]["sha256"]
    assert acts(state) == ["tls.self_signed", "tls.self_signed", "tls.import"]


def test_a_revoked_certificate_is_on_the_list_and_a_strangers_is_not_taken(
    state: Path, ca: Path, tmp_path: Path
) -> None:
    names = ("one", "two")
    for name in names:
        words = ["tls", "issue", "--client", name, "--out", str(tmp_path / name), "--ca", str(ca)]
        assert ao(*words, state=state).code == 0
        assert (tmp_path / f"{name}.key").stat().st_mode & 0o777 == 0o600
    for count, name in enumerate(names, 1):
        told = data(ao("tls", "revoke", "--json", str(tmp_path / f"{name}.pem"), "--ca", str(ca), state=state))
        assert told["revoked"] == count
    listed = x509.load_pem_x509_crl((ca / "crl.pem").read_bytes())
    serials = {
        x509.load_pem_x509_certificates((tmp_path / f"{each}.pem").read_bytes())[0].serial_number for each in names
    }
    assert {each.serial_number for each in listed} == serials
    ao("tls", "self-signed", "--dns", "x.internal", state=state)
    stranger = str(installed_in(state).certificate)
    refused = refusal(ao("tls", "revoke", "--json", stranger, "--ca", str(ca), state=state))
    assert refused["exit"] == IssueRefused.exit_code


def test_without_a_certificate_there_is_none_to_show(state: Path) -> None:
    assert refusal(ao("tls", "show", "--json", state=state))["exit"] == PlainListener.exit_code


def test_who_may_read_may_not_put_in_place(state: Path) -> None:
    reader = Principal("rita", (Grant(frozenset({Permission.TLS_READ})),), "10.0.0.7")
    settings = Settings(state_dir=state)
    with closing(open_site(state)) as site:
        ao("tls", "self-signed", "--dns", "x.internal", state=state)
        theirs = replace(site, by=reader)
        assert tls.show(theirs, settings, installed_in(state).certificate, TODAY)
        with pytest.raises(NotPermitted):
            tls.make_self_signed(theirs, settings, Names(dns=["y"]), days=30, curve="P-256", now=TODAY)
        with pytest.raises(NotPermitted):
            tls.reload(theirs, settings, TODAY)


def test_status_warns_of_a_certificate_that_ends_soon(state: Path, tmp_path: Path) -> None:
    ao("tls", "self-signed", "--dns", "x.internal", "--days", "20", state=state)
    files = installed_in(state)
    settings = tmp_path / "settings.toml"
    settings.write_text(f'tls_certificate = "{files.certificate}"\ntls_key = "{files.key}"\n')
    said = ao("status", "--settings", str(settings), state=state)
    assert "TLS       x.internal, until" in said.out
    assert "days left; put a new one in place" in said.out
    told = json.loads(ao("status", "--json", "--settings", str(settings), state=state).out)["certificate"]
    assert told["days_left"] in (19, 20)
