"""What no route can be reached without: its confirmation, its signature, its network; and what is left of who tried."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from appliance.access.authorise import Permission
from appliance.access.token_signing import signing_key
from appliance.admin_api import door
from appliance.admin_api.confirmation import LIFE_SECONDS
from appliance.admin_api.refused_calls import ENTRIES_A_MINUTE
from appliance.admin_api.signature import HEADERS, WINDOW_SECONDS, sign
from appliance.admin_api.used_once import KEEP_SECONDS
from appliance.observe.audit import Entry, entries
from appliance.state.site import open_site
from tests.appliance.admin_api.examples import OWN, ROUTES, examples, named, site_with_everything
from tests.appliance.admin_api.inprocess import ALL, Asked
from tests.appliance.sites import CONSOLE

TWICE = [named(each) for each in ROUTES if each.asks_twice]
KEY = f"/admin/v1/keys/key-of-{OWN[0]}"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return site_with_everything(tmp_path_factory.mktemp("template"))


@pytest.fixture
def asked(template: Path, tmp_path: Path) -> Asked:
    shutil.copytree(template, tmp_path / "state")
    return Asked(tmp_path / "state")


def code(told: httpx.Response) -> str:
    return f"{told.status_code} {told.json()['error']['code']}"


def confirmation(told: httpx.Response) -> str:
    assert code(told) == "428 confirmation_needed"
    token: str = told.json()["error"]["confirm"]["token"]
    return token


def trail(asked: Asked, act: str) -> list[Entry]:
    with closing(open_site(asked.state, by=CONSOLE)) as site:
        assert site.verify_audit().first_bad is None
        return [each for each in entries(site.database) if each.act == act]


# Agreeing


@pytest.mark.parametrize("name", TWICE)
def test_what_cannot_be_undone_happens_when_it_was_agreed_to_and_once(asked: Asked, name: str) -> None:
    route, tried = name.split(" ", maxsplit=1)[0], examples(asked.state)[name]
    token = asked.known.token(*ALL)
    first = asked(route, tried.target, token, **tried.more)
    assert first.json()["error"]["message"]
    agreed = {"x-ao-confirm": confirmation(first)}
    more = {**tried.more, "headers": {**tried.more.get("headers", {}), **agreed}}
    done = asked(route, tried.target, token, **more)
    assert done.status_code in (200, 201), done.text
    again = asked(route, tried.target, token, **more)
    # What it was about may be gone by now; where it is not, the confirmation is.
    assert again.status_code in (400, 404, 409), again.text


def test_a_confirmation_is_of_one_caller_one_method_one_path_and_one_body(asked: Asked) -> None:
    token, other = asked.known.token(*ALL), asked.known.token(*(ALL - {Permission.HOST_WRITE}))
    path, body = f"{KEY}/rotate", {"overlap_hours": 1}
    agreed = {"x-ao-confirm": confirmation(asked("POST", path, token, json=body))}
    refused = "409 confirmation_refused"
    assert code(asked("POST", path, other, agreed, json=body)) == refused
    assert code(asked("POST", path, token, agreed, json={"overlap_hours": 0})) == refused
    assert code(asked("DELETE", KEY, token, agreed)) == refused
    assert code(asked("POST", "/admin/v1/keys/key-of-bank/rotate", token, agreed, json=body)) == refused
    altered = {"x-ao-confirm": agreed["x-ao-confirm"][:-4] + "AAAA"}
    assert code(asked("POST", path, token, altered, json=body)) == refused
    for nonsense in ("", "x", "=" * 90, "A" * 400):
        assert code(asked("POST", path, token, {"x-ao-confirm": nonsense}, json=body)) == refused
    assert asked("POST", path, token, agreed, json=body).status_code == 201


def test_a_confirmation_grows_stale(asked: Asked) -> None:
    token = asked.known.token(*ALL)
    agreed = {"x-ao-confirm": confirmation(asked("DELETE", KEY, token))}
    asked.now += LIFE_SECONDS + 1
    assert code(asked("DELETE", KEY, token, agreed)) == "409 confirmation_refused"
    # And one of a clock that ran ahead, and was put right, is none of now.
    asked.now += 3600
    ahead = {"x-ao-confirm": confirmation(asked("DELETE", KEY, token))}
    asked.now -= 3600
    assert code(asked("DELETE", KEY, token, ahead)) == "409 confirmation_refused"
    assert asked("GET", KEY, token).json()["state"] == "active"


def test_what_was_agreed_to_is_void_where_something_else_would_happen(asked: Asked) -> None:
    token = asked.known.token(*ALL)
    agreed = {"x-ao-confirm": confirmation(asked("DELETE", KEY, token))}
    assert asked("PATCH", KEY, token, json={"team": "idle"}).status_code == 200
    told = asked("DELETE", KEY, token, agreed)
    assert code(told) == "409 confirmation_refused"
    assert "changed since" in told.json()["error"]["message"]


# Signing


class Signing:
    """A token whose calls must be signed, and the means to."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.token = asked.known.token(*ALL, signed=True)
        with closing(open_site(asked.state, by=CONSOLE)) as site:
            self.key = signing_key(site.key, self.token).encode()

    def headers(self, method: str, target: str, body: bytes = b"", *, nonce: str, at: float | None = None) -> Any:
        when, digest = str(int(self.asked.now if at is None else at)), hashlib.sha256(body).hexdigest()
        made = (when, nonce, digest, sign(self.key, method, target, when, nonce, digest))
        return dict(zip(HEADERS, made, strict=True))

    def __call__(self, method: str, target: str, headers: Any, **more: Any) -> str:
        told = self.asked(method, target, self.token, headers, **more)
        return code(told) if told.status_code >= 400 else str(told.status_code)


NONCE = "nonce-0123456789"


def test_a_signed_call_is_taken_once(asked: Asked) -> None:
    signing = Signing(asked)
    target = "/admin/v1/keys?limit=5"
    made = signing.headers("GET", target, nonce=NONCE)
    assert signing("GET", target, made) == "200"
    assert signing("GET", target, made) == "401 call_replayed"
    # Another app on the same state knows it too: it is in the database.
    again = Asked(asked.state)
    again.known = again.app._authenticator = asked.known
    assert code(again("GET", target, signing.token, made)) == "401 call_replayed"
    assert signing("GET", target, signing.headers("GET", target, nonce=NONCE + "x")) == "200"


def test_a_signature_is_of_its_method_path_query_and_body(asked: Asked) -> None:
    signing = Signing(asked)
    body = b'{"org":"signed"}'
    made = signing.headers("POST", "/admin/v1/orgs", body, nonce=NONCE)
    wrong = "401 signature_wrong"
    json = {"content-type": "application/json"}
    assert signing("POST", "/admin/v1/orgs", {**made, **json}, content=b'{"org":"forged"}') == wrong
    assert signing("POST", "/admin/v1/orgs?a=1", {**made, **json}, content=body) == wrong
    assert signing("POST", "/admin/v1/keys", {**made, **json}, content=body) == wrong
    assert signing("DELETE", "/admin/v1/orgs", made, content=body) == wrong
    digest = hashlib.sha256(b"forged").hexdigest()
    assert signing("POST", "/admin/v1/orgs", {**made, "x-ao-content-sha256": digest}, content=b"forged") == wrong
    for name in HEADERS:
        assert signing("POST", "/admin/v1/orgs", {**made, name: made[name][:-1] + "!"}, content=body) == wrong
        lacking = {each: value for each, value in made.items() if each != name}
        assert signing("POST", "/admin/v1/orgs", lacking, content=body) == "401 signature_needed"
    assert signing("POST", "/admin/v1/orgs", {**made, **json}, content=body) == "201"


def test_another_tokens_key_signs_nothing(asked: Asked) -> None:
    signing = Signing(asked)
    with closing(open_site(asked.state, by=CONSOLE)) as site:
        signing.key = signing_key(site.key, "tok_another").encode()
    made = signing.headers("GET", "/admin/v1/keys", nonce=NONCE)
    assert signing("GET", "/admin/v1/keys", made) == "401 signature_wrong"


@pytest.mark.parametrize("away", [-WINDOW_SECONDS - 1, WINDOW_SECONDS + 1])
def test_a_call_is_of_its_minute(asked: Asked, away: int) -> None:
    signing = Signing(asked)
    near = away - 1 if away > 0 else away + 1
    at = asked.now + away
    assert signing("GET", "/admin/v1/keys", signing.headers("GET", "/admin/v1/keys", nonce=NONCE, at=at)) == (
        "401 call_out_of_time"
    )
    at = asked.now + near
    assert signing("GET", "/admin/v1/keys", signing.headers("GET", "/admin/v1/keys", nonce=NONCE, at=at)) == "200"


def test_a_clock_that_is_set_back_lets_no_old_call_in_again(asked: Asked) -> None:
    """Nonces are forgotten after a while; what was forgotten leaves a floor."""
    signing = Signing(asked)
    target = "/admin/v1/keys"
    old = signing.headers("GET", target, nonce=NONCE)
    assert signing("GET", target, old) == "200"
    began = asked.now
    asked.now += KEEP_SECONDS + 1
    assert signing("GET", target, signing.headers("GET", target, nonce=NONCE + "-later")) == "200"
    with closing(open_site(asked.state, by=CONSOLE)) as site:
        kept = [row["name"] for row in site.database.execute("SELECT name FROM admin_used_once")]
    assert kept == [NONCE + "-later"], "or the old one is still remembered, and this shows nothing"
    asked.now = began
    assert signing("GET", target, old) == "401 call_replayed"


# From where


def test_a_token_is_good_from_its_networks_as_the_kernel_names_them(template: Path, tmp_path: Path) -> None:
    template = shutil.copytree(template, tmp_path / "state")
    inside, outside, unix = (Asked(template, client) for client in (("10.1.2.3", 1), ("192.0.2.1", 1), ("", 0)))
    for asked in (inside, outside, unix):
        asked.known.token(*ALL, networks="10.0.0.0/8")
    token = inside.known.token(*ALL, networks="10.0.0.0/8")
    assert inside("GET", "/admin/v1/keys", token).status_code == 200
    claimed = {"x-forwarded-for": "10.1.2.3", "forwarded": "for=10.1.2.3", "x-real-ip": "10.1.2.3"}
    for asked in (outside, unix):
        assert code(asked("GET", "/admin/v1/keys", token)) == "403 admin_source_not_allowed"
        assert code(asked("GET", "/admin/v1/keys", token, claimed)) == "403 admin_source_not_allowed"
    mapped = Asked(template, ("::ffff:10.1.2.3", 1))
    assert mapped("GET", "/admin/v1/keys", mapped.known.token(*ALL, networks="10.0.0.0/8")).status_code == 200


def test_where_an_act_came_from_is_in_the_trail(template: Path, tmp_path: Path) -> None:
    shutil.copytree(template, tmp_path / "state")
    for client, source in ((("10.1.2.3", 1), "10.1.2.3"), (("", 0), "unix socket")):
        asked = Asked(tmp_path / "state", client)
        made = asked("POST", "/admin/v1/keys", asked.known.token(*ALL), json={"name": source})
        assert made.status_code == 201
        (entry,) = [each for each in trail(asked, "key.create") if repr(source) in each.subject]
        assert entry.detail["from"] == source
        assert made.json()["key"] not in str([each.as_dict() for each in trail(asked, "key.create")])


# What is refused


def test_refused_calls_are_in_the_trail_and_fill_no_disk(asked: Asked) -> None:
    for _ in range(20):
        assert asked("GET", "/admin/v1/keys", "guessed").status_code == 401
    assert asked("GET", "/admin/v1/audit", asked.known.token(Permission.KEYS_READ)).status_code == 403
    nobody, somebody = trail(asked, "admin.refused")
    assert (nobody.who, nobody.detail["code"], nobody.subject) == ("nobody", "not_authenticated", "GET /admin/v1/keys")
    assert (somebody.detail["code"], somebody.detail["from"]) == ("not_permitted", "127.0.0.1")
    assert "guessed" not in str(nobody.as_dict())


def test_from_however_many_addresses(template: Path, tmp_path: Path) -> None:
    shutil.copytree(template, tmp_path / "state")
    asked = Asked(tmp_path / "state")
    for number in range(ENTRIES_A_MINUTE + 10):
        asked._client = (f"192.0.2.{number}", 1)
        asked("GET", "/admin/v1/keys")
    assert len(trail(asked, "admin.refused")) == ENTRIES_A_MINUTE


def test_a_header_that_decides_something_comes_once(asked: Asked) -> None:
    twice = [("authorization", "Bearer a"), ("authorization", f"Bearer {asked.known.token(*ALL)}")]

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(asked.app), base_url="http://admin") as client:
            return await client.get("/admin/v1/keys", headers=httpx.Headers(twice))

    assert code(asyncio.run(ask())) == "400 call_malformed"


@pytest.mark.parametrize(
    ("path", "headers", "size", "expected"),
    [
        ("/admin/v1/keys", {"content-type": "application/json"}, 64 * 1024 + 1, "413 call_too_large"),
        ("/admin/v1/licence", {"content-type": "application/octet-stream"}, 1024 * 1024 + 1, "413 call_too_large"),
        ("/admin/v1/licence", {"content-type": "application/octet-stream"}, 100_000, "400 document_malformed"),
    ],
)
def test_a_body_has_bounds(asked: Asked, path: str, headers: dict[str, str], size: int, expected: str) -> None:
    assert code(asked("POST", path, asked.known.token(*ALL), headers, content=b"x" * size)) == expected


def test_a_body_that_does_not_come_is_not_waited_for(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "BODY_SECONDS", 0.05)
    sent: list[Any] = []

    async def never() -> Any:
        await asyncio.Event().wait()

    async def keep(message: Any) -> None:
        sent.append(message)

    bearer = (b"authorization", f"Bearer {asked.known.token(*ALL)}".encode())
    scope = {"type": "http", "method": "POST", "path": "/admin/v1/keys", "raw_path": b"/admin/v1/keys"}
    asyncio.run(asked.app({**scope, "query_string": b"", "headers": [bearer], "client": None}, never, keep))
    assert sent[0]["status"] == 408


def test_a_fault_tells_nothing_of_itself(asked: Asked, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    def broken(*_: object) -> Callable[..., Any]:
        raise RuntimeError("SECRET-MARKER")

    monkeypatch.setattr("appliance.admin_api.resources.keys.list_keys", broken)
    told = asked("GET", "/admin/v1/keys", asked.known.token(*ALL))
    assert code(told) == "500 admin_fault"
    assert "SECRET-MARKER" not in told.text


@pytest.mark.parametrize("query", ["limti=5", "limit=5&limit=6", "desk=1", "data=1", "=x"])
def test_a_query_that_is_misspelt_is_not_passed_over(asked: Asked, query: str) -> None:
    assert code(asked("GET", f"/admin/v1/keys?{query}", asked.known.token(*ALL))) == "400 call_malformed"


def test_a_name_may_hold_a_slash(asked: Asked) -> None:
    token = asked.known.token(*ALL)
    assert asked("POST", "/admin/v1/orgs", token, json={"org": "a/b %2F"}).status_code == 201
    assert asked("GET", "/admin/v1/orgs/a%2Fb%20%252F", token).status_code == 200
    assert asked("GET", "/admin/v1/orgs/a/b", token).status_code == 404
