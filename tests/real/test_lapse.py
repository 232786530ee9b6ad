"""What a running gateway refuses, from one request to the next: a lapsed licence, a revoked key, a used-up cap."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import openai
import pytest

from licensing.document import parse_time
from tests.real.processes import free_port
from tests.real.site_and_vendor import Gateway, Site, Vendor, config_of, in_seconds, upstream_at

pytestmark = pytest.mark.real

DEMO = "{name: demo}"
QUESTION: dict[str, Any] = {"model": "m-demo", "messages": [{"role": "user", "content": "Hello"}]}

HTTP = httpx.Client(limits=httpx.Limits(max_keepalive_connections=0), timeout=20, trust_env=False)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: httpx.Headers
    body: dict[str, Any]

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])


def ask(gateway: Gateway, key: str, **members: object) -> Answer:
    """One chat on a connection of its own, so that any worker may get it."""
    url = f"{gateway.base_url}/chat/completions"
    # A client of its own as well: threads that share one may close each other's connections.
    with httpx.Client(verify=False, timeout=20, trust_env=False) as client:
        reply = client.post(url, json={**QUESTION, **members}, headers={"authorization": f"Bearer {key}"})
    return Answer(reply.status_code, reply.headers, reply.json())


def ready(gateway: Gateway) -> tuple[int, dict[str, Any]]:
    reply = HTTP.get(f"http://127.0.0.1:{gateway.port}/readyz")
    return reply.status_code, reply.json()


def test_a_licence_that_lapses_ends_calls_at_the_next_look(
    vendor: Vendor, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("lapse")
    site = Site.licensed(folder, vendor, config_of(("m-demo", DEMO)), "--add-on", "demo", name="lapse-site")
    key = site.key()
    with site.serving(workers=2) as gateway:
        ends = in_seconds(20)  # long enough to be issued and imported on a busy machine too
        short = ("--expires", ends, "--clock-tolerance-seconds", "0", "--grace-days", "0", "--add-on", "demo")
        site.ao("licence", "import", str(vendor.issue(site.request, folder / "short.json", *short)))
        assert ask(gateway, key).status == 200
        assert ready(gateway) == (200, {"ready": True})
        time.sleep(max(0.0, parse_time(ends).timestamp() - time.time()) + 0.2)
        # Any change of state makes every worker judge at once, and not only when its minute is over.
        site.key("another")
        for _ in range(6):
            refused = ask(gateway, key)
            assert (refused.status, refused.code) == (403, "licence_expired")
            assert refused.body["error"]["message"].startswith(f"The licence expired on {ends} ")
        assert ready(gateway) == (503, {"ready": False, "code": "licence_expired"})
        (folder / "settings.toml").write_text(f"port = {gateway.port}\n")
        asked = ("healthcheck", "--settings", str(folder / "settings.toml"))
        assert site.ao(*asked)["answers"]
        told = site.ao(*asked, "--ready", expect=100)["error"]
        assert (told["code"], told["message"]) == ("not_serving", "Calls would be refused: licence_expired.")
        with (
            openai.OpenAI(base_url=gateway.base_url, api_key=key, max_retries=0) as client,
            pytest.raises(openai.PermissionDeniedError) as caught,
        ):
            client.models.list()
        assert caught.value.code == "licence_expired"
        # Nobody's data is held hostage, and a renewal is taken up by the very next request.
        assert site.ao("status", expect=23)["running_since"] is not None
        time.sleep(1)
        site.ao("usage", "seal", "--now")
        site.ao("usage", "export", "--out", str(folder))
        renewed = vendor.issue(site.request, folder / "renewed.json", "--add-on", "demo")
        site.ao("licence", "import", str(renewed))
        assert ask(gateway, key).status == 200
        assert ready(gateway) == (200, {"ready": True})
        assert gateway.stop() == 0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, vendor: Vendor) -> Site:
    config = config_of(("m-demo", DEMO), ("m-down", upstream_at(f"http://127.0.0.1:{free_port()}/v1")))
    return Site.licensed(
        tmp_path_factory.mktemp("refusals"), vendor, config, "--models", "m-*", "--add-on", "demo", name="refusal-site"
    )


@pytest.fixture(scope="module")
def gateway(site: Site) -> Iterator[Gateway]:
    with site.serving(workers=3) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def key(site: Site) -> str:
    return site.key()


def test_a_revoked_key_is_refused_by_the_very_next_request_of_every_worker(site: Site, gateway: Gateway) -> None:
    made = site.ao("keys", "create", "--name", "short-lived")
    for _ in range(9):
        assert ask(gateway, made["key"]).status == 200
    site.ao("keys", "revoke", made["id"], "--yes")
    for _ in range(24):
        refused = ask(gateway, made["key"])
        assert (refused.status, refused.code) == (401, "invalid_api_key")
    with (
        openai.OpenAI(base_url=gateway.base_url, api_key=made["key"], max_retries=0) as client,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        client.models.list()
    assert "is revoked" in caught.value.message


@pytest.mark.parametrize(
    ("model", "status", "code", "param", "exception"),
    [
        ("gpt-unknown", 404, "model_not_found", "model", openai.NotFoundError),
        ("m-unknown", 404, "model_not_found", "model", openai.NotFoundError),
        ("m-down", 502, "upstream_unavailable", None, openai.InternalServerError),
    ],
)
def test_a_refusal_speaks_openais_language(
    gateway: Gateway, key: str, model: str, status: int, code: str, param: str | None, exception: type[Exception]
) -> None:
    refused = ask(gateway, key, model=model)
    assert refused.status == status
    assert set(refused.body) == {"error"}
    assert set(refused.body["error"]) == {"message", "type", "param", "code"}
    assert (refused.code, refused.body["error"]["param"]) == (code, param)
    assert refused.headers["x-request-id"].startswith("req_")
    assert refused.headers["content-type"] == "application/json"
    assert "127.0.0.1" not in json.dumps(refused.body)
    with (
        openai.OpenAI(base_url=gateway.base_url, api_key=key, max_retries=0) as client,
        pytest.raises(exception) as caught,
    ):
        client.chat.completions.create(**{**QUESTION, "model": model})
    assert isinstance(caught.value, openai.APIStatusError)
    assert (caught.value.code, caught.value.request_id is not None) == (code, True)


def test_a_model_that_the_licence_no_longer_covers(vendor: Vendor, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A config outlives its licence: what the next licence leaves out is refused, and the rest goes on."""
    folder = tmp_path_factory.mktemp("narrowed")
    config = config_of(("m-demo", DEMO), ("gpt-demo", DEMO))
    site = Site.licensed(folder, vendor, config, "--add-on", "demo", name="narrowed-site")
    narrow = vendor.issue(site.request, folder / "narrow.json", "--add-on", "demo", "--models", "m-*")
    key = site.key()
    with site.serving() as gateway:
        assert ask(gateway, key, model="gpt-demo").status == 200
        site.ao("licence", "import", str(narrow), "--yes")
        refused = ask(gateway, key, model="gpt-demo")
        assert (refused.status, refused.code) == (403, "model_not_licensed")
        assert refused.body["error"]["param"] == "model"
        assert "x-request-id" in refused.headers
        assert ask(gateway, key, model="m-demo").status == 200
        with openai.OpenAI(base_url=gateway.base_url, api_key=key, max_retries=0) as client:
            with pytest.raises(openai.PermissionDeniedError) as caught:
                client.chat.completions.create(**{**QUESTION, "model": "gpt-demo"})
            assert caught.value.code == "model_not_licensed"
            assert [model.id for model in client.models.list()] == ["m-demo"]
        assert gateway.stop() == 0


def test_no_key_and_a_wrong_key_and_no_model_and_no_json(gateway: Gateway, key: str) -> None:
    assert (ask(gateway, "ao-nobody").status, ask(gateway, "ao-nobody").code) == (401, "invalid_api_key")
    url = f"{gateway.base_url}/chat/completions"
    none = HTTP.post(url, json=QUESTION)
    assert (none.status_code, none.json()["error"]["code"]) == (401, "invalid_api_key")
    authorised = {"authorization": f"Bearer {key}"}
    for content in (b"{", b"[]", b'{"messages": []}', b'{"model": 1}'):
        bad = HTTP.post(url, content=content, headers=authorised)
        assert (bad.status_code, bad.json()["error"]["code"]) == (400, "invalid_request")
        assert "x-request-id" in bad.headers


def test_refused_requests_leave_no_entry_and_failed_ones_do(site: Site, gateway: Gateway, key: str) -> None:
    before = set(site.ledger())
    for model in ("gpt-unknown", "m-unknown", "m-down", "m-demo"):
        ask(gateway, key, model=model)
    time.sleep(0.3)
    added = [row for name, row in site.ledger().items() if name not in before]
    assert sorted((row["model"], row["outcome"], row["status"]) for row in added) == [
        ("m-demo", "complete", 200),
        ("m-down", "upstream_failed", 502),
    ]


RPM = 50
QUICK = 300


def test_a_cap_is_exact_over_all_workers_and_a_restart_buys_nothing(
    vendor: Vendor, tmp_path_factory: pytest.TempPathFactory
) -> None:
    options = ("--rpm", str(RPM), "--add-on", "demo")
    site = Site.licensed(
        tmp_path_factory.mktemp("cap"), vendor, config_of(("m-demo", DEMO)), *options, name="capped-site"
    )
    key = site.key()
    with site.serving(workers=3) as gateway:
        began = time.monotonic()
        with ThreadPoolExecutor(16) as threads:
            answers = list(threads.map(lambda _: ask(gateway, key), range(QUICK)))
        assert time.monotonic() - began < 55, "too slow to tell: the first requests have left the window"
        accepted = [each for each in answers if each.status == 200]
        refused = [each for each in answers if each.status == 429]
        assert (len(accepted), len(refused)) == (RPM, QUICK - RPM)
        for each in refused:
            assert each.code == "rate_limit_exceeded"
            # A window is kept in quarters of a second: what was counted leaves after 60.25 s at the latest.
            assert 1 <= int(each.headers["retry-after"]) <= 61
            assert each.headers["x-ratelimit-limit-requests"] == str(RPM)
            assert "x-request-id" in each.headers
        remaining = sorted(int(each.headers["x-ratelimit-remaining-requests"]) for each in accepted)
        assert remaining == list(range(RPM))
        assert gateway.stop() == 0
    with site.serving(workers=3) as gateway:
        assert time.monotonic() - began < 55, "too slow to tell: the first requests have left the window"
        again = ask(gateway, key)
        assert (again.status, again.code) == (429, "rate_limit_exceeded")
        with (
            openai.OpenAI(base_url=gateway.base_url, api_key=key, max_retries=0) as client,
            pytest.raises(openai.RateLimitError) as caught,
        ):
            client.chat.completions.create(**QUESTION)
        assert caught.value.code == "rate_limit_exceeded"
        assert gateway.stop() == 0
    assert len(site.ledger()) == RPM
