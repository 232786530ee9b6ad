"""What a key may do, met by an app: paused, from elsewhere, for another model, and when it was last used."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import httpx
import pytest

from appliance.operations.keys import change_key, find_key, pause_key, resume_key
from appliance.state.site import Site, open_site
from tests.appliance.gateway.upstreams import Upstream
from tests.appliance.gateways import Gateway, models_text


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Upstream() as upstream:
        base = f"http://127.0.0.1:{upstream.port}"
        text = models_text({"good": [f"{base}/good/v1"], "down": [f"{base}/closes/v1"]})
        text += "routing:\n  down:\n    fall_back: {aliases: [{to: good}]}\n"
        made = Gateway(tmp_path_factory.mktemp("keys"), text)
        made.start()
        yield made
        made.stop()


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def changed(gateway: Gateway, act: Any, *given: Any, **new: Any) -> None:
    with closing(open_site(gateway.state)) as site:
        act(site, "tests", *given, **new)


def code(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("error", {}).get("code")


def test_a_paused_key_is_refused_at_once_and_says_so(gateway: Gateway) -> None:
    assert gateway.post("good").status_code == 200
    changed(gateway, pause_key, "a leak", now())
    answer = gateway.post("good")
    assert code(answer) == (403, "key_paused")
    assert "a leak" not in answer.text, "why is for the operator"
    changed(gateway, resume_key, now())
    assert gateway.post("good").status_code == 200


def test_a_key_is_refused_from_a_network_that_is_not_its_own(gateway: Gateway) -> None:
    changed(gateway, change_key, now(), networks=(ip_network("10.0.0.0/8"),))
    assert code(gateway.post("good")) == (403, "source_not_allowed")
    assert code(httpx.get(f"{gateway.url}/v1/models", headers={"x-api-key": gateway.key}))[1] == "source_not_allowed"
    changed(gateway, change_key, now(), networks=(ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8")))
    assert gateway.post("good").status_code == 200
    forged = httpx.get(f"{gateway.url}/v1/models", headers={"x-api-key": gateway.key, "x-forwarded-for": "11.1.1.1"})
    assert forged.status_code == 200, "what a caller says of its address counts for nothing"
    changed(gateway, change_key, now(), networks=None)


def test_a_key_sees_and_uses_its_own_models_only_and_no_fallback_leads_beyond_them(gateway: Gateway) -> None:
    def listed() -> set[str]:
        told = httpx.get(f"{gateway.url}/v1/models", headers={"x-api-key": gateway.key}).json()
        return {each["id"] for each in told["data"]}

    assert listed() == {"good", "down"}
    assert gateway.post("down").status_code == 200, "answered by its fallback"
    changed(gateway, change_key, now(), models=("do*",))
    assert listed() == {"down"}
    assert code(gateway.post("good")) == (403, "model_not_allowed")
    assert gateway.post("down").status_code == 502
    assert httpx.get(f"{gateway.url}/v1/models/good", headers={"x-api-key": gateway.key}).status_code == 404
    changed(gateway, change_key, now(), models=None)


def test_it_is_known_when_a_key_was_last_used(gateway: Gateway) -> None:
    before = now()
    assert gateway.post("good").status_code == 200

    def last(site: Site) -> datetime | None:
        return find_key(site, "tests").last_used

    deadline = time.monotonic() + 20
    while True:
        with closing(open_site(gateway.state)) as site:
            at = last(site)
        if at is not None and at >= before:
            break
        assert time.monotonic() < deadline
        time.sleep(0.1)
