"""Events reach the addresses that the config names, and no others, whatever the addresses do."""

from __future__ import annotations

import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from appliance import webhooks
from appliance.state import outgoing
from appliance.state.database import Connection, open_database, transaction
from appliance.state.outgoing import Wanting, enqueue, fan_out
from appliance.webhooks import Address, Sender, wait_before
from tests.appliance.receivers import SECRET, Receiver, dies, drips, hangs, status, takes, talks_for_ever

NAME = "siem"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    monkeypatch.setattr(webhooks, "FIRST_WAIT_SECONDS", 0.02)
    with closing(open_database(tmp_path / "ao.db")) as connection:
        yield connection


def tell(db: Connection, *names: str, to: str = NAME) -> None:
    now = datetime.now(UTC)
    with transaction(db):
        for name in names:
            enqueue(db, name, {"n": name}, now)
    fan_out(db, "harbour", 1, [Wanting(to, ("*",))], lambda _: None, now)


def address(url: str, name: str = NAME, *, ca: str | None = None, timeout: float = 10.0) -> Address:
    return Address(name, url, SECRET.encode(), ca, timeout, 3 * 86_400)


@contextmanager
def sending(db: Connection, *addresses: Address) -> Iterator[None]:
    file = Path(db.execute("PRAGMA database_list").fetchone()["file"])
    sender = Sender(file)
    sender.send_to(addresses, {each.name: each.give_up_seconds for each in addresses})
    try:
        yield
    finally:
        sender.stop()


def until_empty(db: Connection, *, dead: bool = False) -> None:
    deadline = time.monotonic() + 20
    while outgoing.queue(db, dead=dead):
        assert time.monotonic() < deadline, outgoing.queue(db, dead=dead)
        time.sleep(0.02)


def failing(db: Connection, count: int = 1) -> outgoing.Delivery:
    """The oldest event that waits, once so many attempts at it have failed."""
    deadline = time.monotonic() + 20
    while True:
        oldest = outgoing.queue(db, dead=False)[0]
        if oldest.attempts >= count:
            return oldest
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_event_comes_signed_with_its_id_its_site_and_its_time(db: Connection) -> None:
    with Receiver() as receiver:
        tell(db, "key.paused")
        with sending(db, address(receiver.url)):
            got = receiver.wait_for(1)[0]
            until_empty(db)
    assert got.is_signed_with(SECRET)
    assert not got.is_signed_with(SECRET + "x")
    assert got.event["event"] == got.headers["ao-event"] == "key.paused"
    assert got.event["id"] == got.headers["ao-event-id"] == "1-e1"
    assert (got.event["site"], got.event["data"]) == ("harbour", {"n": "key.paused"})
    signed_at = int(got.headers["ao-signature"].split(",")[0].removeprefix("t="))
    assert abs(time.time() - signed_at) < 60


@pytest.mark.parametrize("how", [status(500), status(503), dies, status(429), status(302, location="/elsewhere")])
def test_an_address_that_is_down_gets_all_events_later_in_their_order(db: Connection, how: object) -> None:
    with Receiver([how, how, takes]) as receiver:  # type: ignore[list-item]
        tell(db, "first", "second", "third")
        with sending(db, address(receiver.url)):
            until_empty(db)
    assert [each.headers["ao-event"] for each in receiver.received] == ["first", "first", "first", "second", "third"]
    assert len({each.headers["ao-event-id"] for each in receiver.received[:3]}) == 1


@pytest.mark.parametrize("how", [hangs, drips])
def test_an_address_that_never_answers_is_let_go_of_in_time(db: Connection, how: object) -> None:
    with Receiver([how, takes]) as receiver:  # type: ignore[list-item]
        tell(db, "first")
        with sending(db, address(receiver.url, timeout=0.3)):
            assert failing(db).said == "down: no answer in time"
            until_empty(db)


def test_an_answer_without_an_end_is_not_read(db: Connection) -> None:
    with Receiver([talks_for_ever]) as receiver:
        tell(db, "first", "second")
        with sending(db, address(receiver.url)):
            until_empty(db)
    assert len(receiver.received) == 2


def test_no_redirect_is_followed(db: Connection) -> None:
    with Receiver() as elsewhere, Receiver([status(307, location=elsewhere.url)]) as receiver:
        tell(db, "first")
        with sending(db, address(receiver.url)):
            assert "redirects are not followed" in (failing(db).said or "")
        assert not elsewhere.received


def test_an_event_that_an_address_will_not_have_does_not_hold_up_the_others(
    db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "FIRST_WAIT_SECONDS", 600.0)
    with Receiver([status(422), takes]) as receiver:
        tell(db, "odd", "second")
        with sending(db, address(receiver.url)):
            receiver.wait_for(2)
    assert [each.headers["ao-event"] for each in receiver.received] == ["odd", "second"]
    odd = next(each for each in outgoing.queue(db, dead=False) if each.event == "odd")
    assert (odd.attempts, odd.said) == (1, "status 422")


def test_one_address_that_hangs_keeps_no_other_waiting(db: Connection) -> None:
    with Receiver([hangs]) as slow, Receiver() as quick:
        tell(db, "first", to="slow")
        tell(db, "first", to="quick")
        with sending(db, address(slow.url, "slow"), address(quick.url, "quick")):
            quick.wait_for(1)


def test_what_was_taken_in_vain_for_days_is_a_dead_letter_and_comes_back_by_command(db: Connection) -> None:
    with Receiver([status(500), takes]) as receiver:
        tell(db, "old")
        db.execute("UPDATE deliveries SET made_at = made_at - 4 * 86400")
        with sending(db, address(receiver.url)):
            until_empty(db)
            assert [each.event for each in outgoing.queue(db, dead=True)] == ["old"]
            assert outgoing.retry(db, None, time.time()) == 1
            until_empty(db)
            receiver.wait_for(2)
        assert not outgoing.queue(db, dead=True)


def test_what_waits_for_an_address_that_is_no_longer_named_is_not_sent_to_it(db: Connection) -> None:
    with Receiver() as former, Receiver() as receiver:
        tell(db, "first", to="former")
        tell(db, "first")
        with sending(db, address(receiver.url)):
            receiver.wait_for(1)
            until_empty(db)
        assert not former.received
        assert [each.said for each in outgoing.queue(db, dead=True)] == ["no such address in the config"]


def test_what_waits_for_an_address_that_cannot_be_sent_to_now_goes_on_waiting(db: Connection) -> None:
    """Its secret is not to be had, or the config cannot be read."""
    tell(db, "first", to="without-secret")
    for give_up in ({NAME: 1e6, "without-secret": 1e6}, None):
        with Receiver() as receiver:
            tell(db, f"other {give_up is None}")
            sender = Sender(Path(db.execute("PRAGMA database_list").fetchone()["file"]))
            sender.send_to([address(receiver.url)], give_up)
            receiver.wait_for(1)
            sender.stop()
        assert [each.event for each in outgoing.queue(db, dead=False)] == ["first"]


def test_with_no_address_there_is_no_sender(db: Connection, tmp_path: Path) -> None:
    sender = Sender(tmp_path / "ao.db")
    sender.send_to([], {})
    assert sender._thread is None
    sender.stop()


def test_a_server_must_prove_who_it_is_by_the_authority_that_the_config_names(db: Connection, tmp_path: Path) -> None:
    certificate, context = _certificate(tmp_path)
    with Receiver(tls=context) as receiver:
        tell(db, "first")
        with sending(db, address(receiver.url)):
            assert "certificate" in (failing(db).said or "")
        assert not receiver.received
        with sending(db, address(receiver.url, ca=certificate)):
            until_empty(db)
        assert len(receiver.received) == 1


SENDER = """
import sys, time
from pathlib import Path
from appliance.webhooks import Address, Sender
sender = Sender(Path(sys.argv[1]))
sender.send_to([Address("siem", sys.argv[2], b"secret", None, 30.0, 86400.0)], {"siem": 86400.0})
time.sleep(60)
"""


def test_a_sender_that_is_killed_in_the_middle_loses_nothing(db: Connection, tmp_path: Path) -> None:
    with Receiver([takes, hangs, takes]) as receiver:
        tell(db, "first", "second", "third")
        process = subprocess.Popen([sys.executable, "-c", SENDER, str(tmp_path / "ao.db"), receiver.url], cwd=ROOT)
        receiver.wait_for(2)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert [each.event for each in outgoing.queue(db, dead=False)] == ["second", "third"]
        with sending(db, address(receiver.url)):
            until_empty(db)
    assert [each.headers["ao-event"] for each in receiver.received] == ["first", "second", "second", "third"]
    assert receiver.received[1].event == receiver.received[2].event


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_waits_grow_to_an_hour_and_are_spread(chance: float) -> None:
    waits = [wait_before(attempt, chance) for attempt in range(1, 40)]
    assert waits == sorted(waits)
    assert waits[0] == 2.0 * (0.5 + chance / 2)
    assert waits[-1] == 3600.0 * (0.5 + chance / 2)


def test_a_clock_that_was_set_back_makes_nothing_wait_longer(db: Connection) -> None:
    with Receiver() as receiver:
        tell(db, "first")
        db.execute("UPDATE deliveries SET due_at = due_at + 30 * 86400, said = 'down: x', attempts = 3")
        with sending(db, address(receiver.url)):
            until_empty(db)
        receiver.wait_for(1)


def _certificate(folder: Path) -> tuple[str, ssl.SSLContext]:
    """A certificate of its own for 127.0.0.1."""
    from ipaddress import ip_address

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .add_extension(x509.KeyUsage(True, False, False, False, False, True, True, False, False), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    (folder / "cert.pem").write_bytes(pem)
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return pem.decode(), context
