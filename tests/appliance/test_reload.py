"""A new certificate is taken up while calls are answered: nobody notices but by looking at it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from appliance.errors import CertificateRefused, NotServing, PlainListener, ReloadFailed
from appliance.settings import Settings
from appliance.succession import READY_SECONDS, Succession
from appliance.tls.authority import Names, Pair, issue_server, make_authority
from appliance.tls.material import fingerprint
from licensing.errors import Refusal
from tests.appliance.gateway.upstreams import Upstream
from tests.appliance.gateways import Gateway, free_port, models_text

NOW = datetime.now(UTC)
NAMES = Names(dns=["localhost"])
AUTHORITY = make_authority("Tests", days=30, now=NOW)


def written(folder: Path, pair: Pair) -> None:
    """As two files, each in one step."""
    parts = {
        "gw.pem": pair.certificate.public_bytes(Encoding.PEM),
        "gw.key": pair.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    }
    for name, content in parts.items():
        fresh = folder / f"{name}.new"
        fresh.touch(mode=0o600)
        fresh.write_bytes(content)
        fresh.replace(folder / name)


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Tls:
    """A gateway with a certificate of AUTHORITY."""

    def __init__(self, folder: Path, upstream: Upstream, workers: int) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.first = issue_server(AUTHORITY, NAMES, days=20, now=NOW)
        written(folder, self.first)
        base = f"http://127.0.0.1:{upstream.port}"
        routes = {each: [f"{base}/{each}/v1"] for each in ("good", "paced")}
        self.gateway = Gateway(folder, models_text(routes), workers=workers)
        settings = folder / "settings.toml"
        settings.write_text(f'tls_certificate = "{folder / "gw.pem"}"\ntls_key = "{folder / "gw.key"}"\n')
        self.gateway.extra_environment["AO_SETTINGS"] = str(settings)
        self.trusting = ssl.create_default_context(cadata=AUTHORITY.certificate.public_bytes(Encoding.PEM).decode())
        self.url = f"https://localhost:{self.gateway.port}"

    @property
    def presented(self) -> bytes:
        with (
            socket.create_connection(("127.0.0.1", self.gateway.port), 10) as plain,
            self.trusting.wrap_socket(plain, server_hostname="localhost") as secured,
        ):
            return secured.getpeercert(binary_form=True) or b""

    def call(self, client: httpx.Client) -> None:
        body = {"model": "good", "messages": [{"role": "user", "content": "hello"}]}
        answer = client.post("/v1/chat/completions", json=body)
        assert answer.status_code == 200, answer.text

    def client(self) -> httpx.Client:
        headers = {"authorization": f"Bearer {self.gateway.key}"}
        # No retries: what is lost is seen.
        return httpx.Client(base_url=self.url, verify=self.trusting, headers=headers, timeout=60, trust_env=False)

    def renewed(self) -> Pair:
        pair = issue_server(AUTHORITY, NAMES, days=25, now=NOW)
        written(self.folder, pair)
        return pair


@pytest.fixture
def tls(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Tls]:
    """With one worker, unless the test says otherwise."""
    with Upstream() as upstream:
        made = Tls(tmp_path, upstream, getattr(request, "param", 1))
        made.gateway.start()
        yield made
        made.gateway.stop()


class Load:
    """Calls in threads of their own until it is stopped: with a new connection each, and on kept ones."""

    def __init__(self, tls: Tls) -> None:
        self.tls, self.stopped = tls, threading.Event()
        self.calls, self.lost = 0, list[str]()
        self._threads = [threading.Thread(target=each) for each in (self._anew, self._anew, self._kept, self._kept)]

    def _anew(self) -> None:
        while not self.stopped.is_set():
            with self.tls.client() as client:
                self._count(client)

    def _kept(self) -> None:
        with self.tls.client() as client:
            while not self.stopped.is_set():
                self._count(client)

    def _count(self, client: httpx.Client) -> None:
        try:
            self.tls.call(client)
        except (httpx.HTTPError, AssertionError) as exc:
            self.lost.append(f"{type(exc).__name__}: {exc}")
        self.calls += 1

    def goes_on(self, calls: int) -> Callable[[], bool]:
        """Whether so many more calls have ended."""
        wanted = self.calls + calls
        return lambda: self.calls >= wanted

    def __enter__(self) -> Load:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        for each in self._threads:
            each.join()


@pytest.mark.parametrize("tls", [1, 2], ids=["one worker", "two workers"], indirect=True)
def test_no_call_is_lost_and_the_new_certificate_is_presented(tls: Tls) -> None:
    assert tls.presented == tls.first.certificate.public_bytes(Encoding.DER)
    old = set(tls.gateway.workers())
    with Load(tls) as load:
        until(lambda: load.calls > 50)
        for _ in range(2):
            second = tls.renewed()
            done = tls.gateway.ao("tls", "reload", "--json")
            assert done.returncode == 0, done.stdout + done.stderr
            assert json.loads(done.stdout)["sha256"] == fingerprint(second.certificate)
            # Nobody meets the old one from here on.
            for _ in range(20):
                assert tls.presented == second.certificate.public_bytes(Encoding.DER)
            until(load.goes_on(50))
        # Also the end of the workers of before falls under the load.
        until(lambda: not old & set(tls.gateway.workers()))
        until(lambda: len(tls.gateway.workers()) == len(old))
    assert load.lost == []
    assert load.calls > 150


def test_a_stream_under_way_is_not_cut(tls: Tls) -> None:
    old = set(tls.gateway.workers())
    body = {"model": "paced", "stream": True, "messages": [{"role": "user", "content": "hello"}]}
    with tls.client() as client, client.stream("POST", "/v1/chat/completions", json=body) as answer:
        lines = answer.iter_lines()
        first = next(lines)
        assert first.startswith("data: ")
        tls.renewed()
        assert tls.gateway.ao("tls", "reload").returncode == 0
        rest = [each for each in lines if each]
    assert rest[-1] == "data: [DONE]"
    until(lambda: not old & set(tls.gateway.workers()))


@pytest.mark.parametrize("tls", [2], indirect=True)
def test_a_broken_pair_changes_nothing(tls: Tls) -> None:
    (tls.folder / "gw.key").write_bytes(AUTHORITY.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    workers = tls.gateway.workers()
    done = tls.gateway.ao("tls", "reload", "--json")
    assert done.returncode == CertificateRefused.exit_code
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "certificate_refused"
    assert "does not belong" in error["message"]
    assert tls.presented == tls.first.certificate.public_bytes(Encoding.DER)
    assert tls.gateway.workers() == workers
    # Also a worker that starts after the files were spoilt serves what was judged good.
    for each in workers:
        os.kill(each, signal.SIGKILL)
    until(lambda: len(tls.gateway.workers()) == len(workers) and not set(workers) & set(tls.gateway.workers()))
    assert tls.presented == tls.first.certificate.public_bytes(Encoding.DER)
    with tls.client() as client:
        tls.call(client)


def test_sighup_does_the_same_and_is_noted(tls: Tls) -> None:
    second = tls.renewed()
    assert tls.gateway.process is not None
    tls.gateway.process.send_signal(signal.SIGHUP)
    until(lambda: tls.presented == second.certificate.public_bytes(Encoding.DER))
    until(lambda: "tls.reload" in tls.gateway.ao("audit", "list").stdout)
    (tls.folder / "gw.pem").write_text("spoilt")
    tls.gateway.process.send_signal(signal.SIGHUP)
    until(lambda: "no PEM certificate" in tls.gateway.stderr.read_text())
    assert tls.presented == second.certificate.public_bytes(Encoding.DER)


def test_without_a_gateway_or_a_certificate_there_is_nothing_to_reload(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, models_text({"m": ["http://127.0.0.1:9/v1"]}))
    assert gateway.ao("tls", "reload").returncode == PlainListener.exit_code
    with Upstream() as upstream:
        tls = Tls(tmp_path / "tls", upstream, 1)
        assert tls.gateway.ao("tls", "reload").returncode == NotServing.exit_code


def test_a_gateway_tells_when_its_certificate_ends(tmp_path: Path) -> None:
    with Upstream() as upstream:
        tls = Tls(tmp_path, upstream, 1)
        tls.gateway.start()
        try:
            shown = tls.gateway.ao("metrics").stdout
        finally:
            tls.gateway.stop()
    (left,) = re.findall(r"^ao_tls_certificate_left_seconds (.+)$", shown, re.MULTILINE)
    ends = tls.first.certificate.not_valid_after_utc
    assert abs(float(left) - (ends - datetime.now(UTC)).total_seconds()) < 3600
    assert "certificate.expiring" not in shown
    assert "the listener's certificate ends" in tls.gateway.stderr.read_text(), "20 days are few enough"


def test_new_workers_that_do_not_come_up_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stays = tmp_path / "stays"
    stays.write_text("#!/bin/sh\nexec sleep 60\n")
    stays.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(stays))
    settings = Settings(state_dir=tmp_path, port=free_port())
    succession = Succession(settings, tmp_path)
    told: list[Refusal | None] = []
    try:
        succession.first_serves(None)
        first = succession._current
        monkeypatch.setattr("sys.executable", "/bin/false")
        started = succession._load()
        until(lambda: started.ended() is not None)
        monkeypatch.setattr(succession, "_load", lambda: started)
        with suppress(ReloadFailed):  # where its end is noticed at once
            succession.reload(None, 0.0, told.append)
            succession.keep_up(1.0)
            (refusal,) = told
            assert isinstance(refusal, ReloadFailed)
        # One that starts and never answers.
        monkeypatch.undo()
        monkeypatch.setattr("sys.executable", str(stays))
        told.clear()
        succession.reload(None, 0.0, told.append)
        succession.keep_up(1.0)
        assert told == []
        with pytest.raises(ReloadFailed, match="under way"):
            succession.reload(None, 1.0, told.append)
        succession.keep_up(READY_SECONDS + 1)
        (refusal,) = told
        assert refusal is not None
        assert "No new worker answered" in str(refusal)
        assert succession._current is first
        assert first.ended() is None
    finally:
        succession.stop()
