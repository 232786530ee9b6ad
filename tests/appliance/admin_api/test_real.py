"""The admin API as it is served: a process beside a real gateway, real sockets, real signing in."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

import appliance.admin_api
from appliance.access import sessions
from appliance.access.authorise import Permission
from appliance.access.roles import Granted
from appliance.access.totp import code_at, step_at
from appliance.observe.audit import entries
from appliance.operations.administrators import create_administrator
from appliance.operations.audit import verify_export
from appliance.operations.service_tokens import create_token
from appliance.state.site import open_site
from tests.appliance.admin_api.examples import CHEAP, PASSWORD
from tests.appliance.gateways import Gateway, free_port
from tests.appliance.papers import entropy
from tests.appliance.sites import CONSOLE

DEMO = "models:\n  - alias: demo\n    provider:\n      name: demo\n"
PAGE = Path(appliance.admin_api.__file__).with_name("ADMIN_API.md")
EVERYTHING = [each for each in Permission if each is not Permission.ADMINISTRATORS_WRITE]


class Admin:
    """A gateway with its admin API; `listen` empty: the socket by the state."""

    def __init__(self, folder: Path, listen: str) -> None:
        self.gateway = Gateway(folder, DEMO)
        self.gateway.admin_listen = listen
        self._sessions: dict[str, str] = {}
        self.socket = None if listen else self.gateway.state / "admin.sock"
        self.url = "http://ao" if self.socket else f"http://{listen}"
        with closing(open_site(self.gateway.state, by=CONSOLE)) as site:
            now = datetime.now(UTC).replace(microsecond=0)
            made = create_administrator(site, "anna", PASSWORD, [Granted("site-admin")], now, cost=CHEAP)
            self.totp = base64.b32decode(made.secret.replace(" ", ""))
            self.token = create_token(site, "tests", EVERYTHING, now).secret
            signed = create_token(site, "signed", EVERYTHING, now, signed=True)
            self.signed_token, self.signing_key = signed.secret, signed.signing_key or ""

    def start(self) -> None:
        self.gateway.start()
        until(self.answers)

    def answers(self) -> bool:
        if self.socket is not None:
            # Asked first: the client leaves a socket file's descriptor open where nobody listens.
            with closing(socket.socket(socket.AF_UNIX)) as probe:
                if probe.connect_ex(str(self.socket)) != 0:
                    return False
        try:
            return self("GET", "/whoami").status_code == 401
        except httpx.TransportError:
            return False

    def __call__(self, method: str, path: str, token: str | None = None, **more: Any) -> httpx.Response:
        transport = httpx.HTTPTransport(uds=str(self.socket)) if self.socket else None
        headers = {**more.pop("headers", {}), **({"authorization": f"Bearer {token}"} if token else {})}
        with httpx.Client(transport=transport, trust_env=False, timeout=30) as client:
            return client.request(method, f"{self.url}/admin/v1{path}", headers=headers, **more)

    def session(self, which: str) -> str:
        """A session of anna, who is site admin: of one name always the same."""
        with closing(open_site(self.gateway.state, by=CONSOLE)) as site:
            key, now = site.key.derive(b"ao sessions"), datetime.now(UTC).replace(microsecond=0)
            if which not in self._sessions:
                began = sessions.begin(site.database, key, "anna", "192.0.2.7", now, entropy(which, 32))
                self._sessions[which] = began[1]
        return self._sessions[which]

    def processes(self) -> list[int]:
        """The main process of the admin API, and its worker."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if b"appliance.admin_api.server" not in (process / "cmdline").read_bytes():
                    continue
                if str(self.gateway.state).encode() in (process / "environ").read_bytes():
                    found.append(int(process.name))
            except OSError:
                continue
        return sorted(found)

    def trail(self, act: str) -> list[Any]:
        with closing(open_site(self.gateway.state, by=CONSOLE)) as site:
            return [each for each in entries(site.database) if each.act == act]


def until(holds: Callable[[], bool], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    made = Admin(tmp_path_factory.mktemp("admin"), f"127.0.0.1:{free_port()}")
    made.start()
    yield made
    made.gateway.stop()


@pytest.fixture(scope="module")
def on_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    made = Admin(tmp_path_factory.mktemp("s"), "")
    made.start()
    yield made
    made.gateway.stop()


def test_somebody_signs_in_administers_and_signs_out(admin: Admin) -> None:
    step = step_at(time.time())
    given = {"name": "anna", "password": PASSWORD, "code": code_at(admin.totp, step)}
    planted = {"authorization": "Bearer aos_planted", "cookie": "session=aos_planted"}
    begun = admin("POST", "/sessions", json=given, headers=planted)
    assert begun.status_code == 201, begun.text
    assert "set-cookie" not in begun.headers
    token = begun.json()["token"]
    assert "planted" not in token
    assert admin("GET", "/whoami", "aos_planted").status_code == 401
    who = admin("GET", "/whoami", token).json()
    assert (who["name"], who["source"]) == ("admin:anna", "127.0.0.1")
    for carried in ({"cookie": f"session={token}"}, {"x-api-key": token}):
        assert admin("GET", "/whoami", headers=carried).status_code == 401, "a cookie opens nothing"

    made = admin("POST", "/keys", token, json={"name": "billing", "org": "hospital", "team": "ward-3"})
    assert made.status_code == 201, made.text
    key = made.json()
    assert admin.gateway.post("demo", key=key["key"]).status_code == 200
    asked = admin("DELETE", f"/keys/{key['id']}", token)
    assert asked.status_code == 428
    agreed = {"x-ao-confirm": asked.json()["error"]["confirm"]["token"]}
    assert admin("DELETE", f"/keys/{key['id']}", token, headers=agreed).json()["state"] == "revoked"
    assert admin.gateway.post("demo", key=key["key"]).status_code == 401

    assert admin("DELETE", "/whoami/session", token).json() == {"ended": True}
    assert admin("GET", "/whoami", token).status_code == 401
    (login,) = admin.trail("login")
    assert (login.who, login.detail["from"]) == ("admin:anna", "127.0.0.1")
    (created,) = [each for each in admin.trail("key.create") if "billing" in each.subject]
    assert (created.who, created.detail["from"]) == ("admin:anna", "127.0.0.1")


@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"code": "000000"}, {"name": "nobody"}])
def test_a_wrong_sign_in_is_told_alike(admin: Admin, wrong: dict[str, str]) -> None:
    given = {"name": "anna", "password": PASSWORD, "code": code_at(admin.totp, step_at(time.time()) + 5), **wrong}
    told = admin("POST", "/sessions", json=given)
    assert (told.status_code, told.json()["error"]["code"]) == (401, "sign_in_refused")
    assert told.json()["error"]["message"] == "The name, the password or the code is not right."


def recipe() -> str:
    """The shell function of the page."""
    found = re.search(r"<!-- recipe -->\n```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    return found.group(1)


def by_recipe(admin: Admin, call: str) -> tuple[dict[str, Any], list[str]]:
    """What the page's function is answered, and the arguments with which it called curl."""
    folder = admin.gateway.state.parent / "bin"
    folder.mkdir(exist_ok=True)
    noting = folder / "curl"
    noting.write_text('#!/bin/sh\nprintf "%s\\n" "$@" >"$(dirname "$0")/called"\nexec /usr/bin/curl "$@"\n')
    noting.chmod(0o755)
    environment = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "AO_URL": admin.url,
        "AO_TOKEN": admin.signed_token,
        "AO_SIGNING_KEY": admin.signing_key,
    }
    done = subprocess.run(
        ["sh", "-c", f"{recipe()}\n{call}"], env=environment, capture_output=True, text=True, check=True
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told, (folder / "called").read_text().splitlines()


def test_the_pages_recipe_signs_and_what_it_sent_is_good_once(admin: Admin) -> None:
    body = '{"org": "by-recipe"}'
    made, called = by_recipe(admin, f"ao_call POST /admin/v1/orgs '{body}'")
    assert made["org"] == "by-recipe"
    listed, _ = by_recipe(admin, "ao_call GET '/admin/v1/orgs?limit=500'")
    assert "by-recipe" in [each["org"] for each in listed["items"]]
    headers = dict(line.split(": ", 1) for line in called if re.match(r"[\w-]+: ", line))
    replayed = admin("POST", "/orgs", headers=headers, content=body)
    assert replayed.json()["error"]["code"] == "call_replayed"
    forged = admin("POST", "/orgs", headers=headers, content=body.replace("by-recipe", "forged"))
    assert forged.json()["error"]["code"] == "signature_wrong"
    assert admin("GET", "/orgs", admin.signed_token).json()["error"]["code"] == "signature_needed"

    for process in admin.processes():
        with suppress(ProcessLookupError):  # a worker ends with its main process
            os.kill(process, signal.SIGKILL)
    until(admin.answers)
    assert admin("POST", "/orgs", headers=headers, content=body).json()["error"]["code"] == "call_replayed"


def test_one_that_is_killed_comes_back_and_calls_of_apps_go_on(on_socket: Admin) -> None:
    before = on_socket.processes()
    assert before
    for process in before:
        with suppress(ProcessLookupError):  # a worker ends with its main process
            os.kill(process, signal.SIGKILL)
    until(lambda: not set(before) & set(on_socket.processes()))
    assert on_socket.gateway.post("demo").status_code == 200
    until(on_socket.answers)
    assert on_socket.gateway.process is not None
    assert on_socket.gateway.process.poll() is None
    assert "the admin API ended by itself" in on_socket.gateway.stderr.read_text()


def test_the_socket_is_for_its_owner_and_group_and_no_right_in_itself(on_socket: Admin) -> None:
    assert on_socket.socket is not None
    assert stat.S_IMODE(on_socket.socket.stat().st_mode) == 0o660
    assert stat.S_IMODE(on_socket.gateway.state.stat().st_mode) == 0o700
    assert on_socket("GET", "/keys").status_code == 401, "root, by the socket, without a token"
    who = on_socket("GET", "/whoami", on_socket.token).json()
    assert (who["name"], who["source"]) == ("token:tests", "unix socket")
    status = json.loads(on_socket.gateway.ao("status", "--json").stdout)
    assert status["admin_api"] == f"unix:{on_socket.socket}"
    assert f"admin     unix:{on_socket.socket}" in on_socket.gateway.ao("status").stdout


def test_it_ends_with_the_gateway(tmp_path: Path) -> None:
    admin = Admin(tmp_path, "")
    admin.start()
    assert admin.gateway.stop() == 0
    assert admin.processes() == []
    assert admin.socket is not None
    assert not admin.socket.exists()
    assert json.loads(admin.gateway.ao("status", "--json").stdout)["admin_api"] is None


def test_heads_that_are_too_long_and_paths_elsewhere_are_refused(admin: Admin) -> None:
    long = admin("GET", "/whoami", admin.token, headers={"x-long": "a" * 40_000})
    assert 400 <= long.status_code < 500
    with closing(socket.create_connection(("127.0.0.1", int(admin.url.rpartition(":")[2])))) as raw:
        raw.sendall(b"GET /v1/models HTTP/1.1\r\nhost: ao\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 401")
    served = httpx.get(f"{admin.gateway.url}/admin/v1/keys", headers={"authorization": f"Bearer {admin.token}"})
    assert served.status_code == 404, "the gateway's port serves apps alone"


def test_no_secret_is_in_the_log_or_in_the_trail(admin: Admin) -> None:
    made = admin("POST", "/keys", admin.token, json={"name": "secret-one"}).json()["key"]
    admin("GET", "/keys", "aot_guessed-token")
    log = admin.gateway.stderr.read_text()
    with closing(open_site(admin.gateway.state, by=CONSOLE)) as site:
        trail = json.dumps([each.as_dict() for each in entries(site.database)])
    for secret in (made, admin.token, admin.signed_token, admin.signing_key, PASSWORD, "aot_guessed-token"):
        assert secret not in log
        assert secret not in trail


def test_the_trail_is_exported_with_the_end_that_the_site_signs(admin: Admin, tmp_path: Path) -> None:
    told = admin("GET", "/audit/export", admin.token)
    assert told.headers["content-type"].startswith("application/x-ndjson")
    (tmp_path / "audit.ndjson").write_bytes(told.content)
    with closing(open_site(admin.gateway.state, by=CONSOLE)) as site:
        verdict = verify_export(tmp_path / "audit.ndjson", site.key.public_key)
    assert verdict.first_bad is None, verdict
    assert 1 < verdict.entries <= admin("GET", "/audit/verify", admin.token).json()["entries"]


@pytest.mark.parametrize("listen", ["0.0.0.0:8081", "[::]:8081", "unix:relative", "unix:/" + "a" * 120, "somewhere"])
def test_an_address_that_others_reach_is_refused_before_anything_listens(tmp_path: Path, listen: str) -> None:
    gateway = Gateway(tmp_path, DEMO)
    said = gateway.ao("serve", "--port", str(gateway.port), "--admin-listen", listen)
    assert (said.returncode, "settings_refused" in said.stderr) == (46, True), said
