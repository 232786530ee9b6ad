"""Policies at work: what the config says is what a real gateway does with real servers."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.appliance.gateway.faults import (
    BUSY,
    FAILS,
    ORDERLY,
    TOO_LONG,
    InTurn,
    Switch,
    at,
    config_text,
    entry,
)
from tests.appliance.gateway.upstreams import Script, Upstream, normal, reply, write
from tests.appliance.gateway.wire import Answer, Line, stream
from tests.appliance.gateways import Gateway
from tests.appliance.papers import config_bytes

pytestmark = pytest.mark.real

ALIAS_BY_ITSELF: dict[str, Any] = {"timeouts": {"first_byte_seconds": 20, "total_seconds": 20}}
TELL = {"tell": ["header", "log"]}
SLOW = write(0.3, b"")
LIMITED = {"limits": {"concurrent": 1, "queue": 2, "queue_seconds": 20}} | ALIAS_BY_ITSELF


async def held(received: Any, out: Any) -> None:
    """Answers after a while."""
    await SLOW(received, out)
    await normal(received, out)


def until(true: Callable[[], bool], within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


@dataclass
class Site:
    gateway: Gateway
    upstream: Upstream
    switches: dict[str, Switch]
    text: str

    def post(self, alias: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        body = {"model": alias, "messages": [{"role": "user", "content": "PROMPT-MARKER"}], **more}
        every = {"authorization": f"Bearer {self.gateway.key}", **(headers or {})}
        url = f"{self.gateway.url}/v1/chat/completions"
        return httpx.post(url, json=body, headers=every, timeout=60, trust_env=False)

    def asked(self, script: str) -> int:
        return sum(each.script == script for each in self.upstream.received)

    def attempts(self, answer: httpx.Response) -> int:
        return self.gateway.entry(answer.headers["x-request-id"]).attempts

    def by(self, answer: httpx.Response) -> str:
        """The script that answered, by the deployment that the ledger names."""
        shown = json.loads(self.gateway.ao("config", "show", "--json").stdout)["models"]
        deployment = self.gateway.entry(answer.headers["x-request-id"]).deployment
        (route,) = [str(each["route"]) for each in shown if each["deployment"] == deployment]
        return route.split("/v1")[0].rpartition("/")[2]


NAMES = ("burst", "rests", "twice", "long", "one", "gone", "paused", "probed", "kept", "alone")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    switches = {name: Switch() for name in NAMES}
    scripts: dict[str, Script] = {**switches, "orderly": ORDERLY, "a": normal, "b": normal, "c": normal, "d": normal}
    with Upstream(scripts) as upstream:
        text = config_text(models(upstream), ROUTING)
        made = Gateway(tmp_path_factory.mktemp("routing"), text)
        made.start()
        yield Site(made, upstream, switches, text)
        made.stop()


ROUTING: dict[str, Any] = {
    "burst": {"circuit": {"failures": 3, "cooldown_seconds": 1.0, "longest_cooldown_seconds": 1.0}, **TELL},
    "twice": {"retry": {"rounds": 1, "pause_seconds": 0.01}},
    "careful": {"fall_back": {"on": ["unreachable", "busy", "full"]}},
    "tagged": {
        "filter": [
            {"keep_from_header": "x-ao-tags"},
            {"when": {"header": "x-customer-tier", "is": ["enterprise"]}, "keep": ["premium"]},
            {"when": {"team": ["ward-3"]}, "keep": ["eu", "cn"]},
        ]
    },
    "sticky": {"pick": "sticky", "sticky": [{"header": "x-session-id"}, "user"], "tell": ["header"]},
    "canary": {"pick": "weighted"},
    "long": {"fall_back": {"aliases": [{"to": "small", "on": ["context_too_long"]}]}, "tell": ["header"]},
    "paused": {"retry": {"rounds": 1, "pause_seconds": 8, "longest_pause_seconds": 30}},
    "alone": {"circuit": {"failures": 1, "cooldown_seconds": 60}, "all_resting": "refuse"},
    "kept": {"circuit": {"failures": 1, "cooldown_seconds": 60}},
    "probed": {"circuit": {"failures": 1000}},
    "private": "private-first",
}


def models(upstream: Upstream) -> list[dict[str, Any]]:
    def of(alias: str, *scripts: str, **more: Any) -> list[dict[str, Any]]:
        return [entry(alias, at(upstream, script), **(ALIAS_BY_ITSELF | more)) for script in scripts]

    return [
        *of("burst", "burst", "good"),
        *of("rests", "rests", "good"),
        *of("twice", "twice"),
        *of("careful", "500", "good"),
        *of("tagged", "a", tags=["eu"]),
        *of("tagged", "b", tags=["cn"]),
        *of("tagged", "c", tags=["eu", "premium"]),
        *of("tagged", "d", tags=["us"]),
        *of("sticky", "a", "b", "c", "d"),
        *of("canary", "a", weight=0),
        *of("canary", "b", weight=100),
        *of("long", "long"),
        *of("small", "good"),
        *of("one", "one", **LIMITED),
        *of("gone", "gone", **LIMITED),
        *of("paused", "paused"),
        *of("probed", "probed", probe={"path": "/models", "every_seconds": 1, "timeout_seconds": 1}),
        *of("probed", "good"),
        *of("kept", "kept", "good"),
        *of("alone", "alone"),
        *of("orderly", "orderly"),
        *of("private", "a"),
        *of("private", "b", tags=["private"]),
    ]


def test_a_burst_of_errors_opens_the_circuit_and_one_call_tries_it_again(site: Site) -> None:
    switch = site.switches["burst"]
    switch.mood = FAILS
    assert [site.attempts(site.post("burst")) for _ in range(3)] == [2, 2, 2]
    asked = site.asked("burst")
    # A call may come just when the cooldown is over: then it is the one that tries.
    passed = [site.attempts(site.post("burst")) for _ in range(4)]
    assert passed.count(1) >= 2
    assert site.asked("burst") - asked == passed.count(2) <= 2
    switch.mood = normal
    until(lambda: site.by(site.post("burst")) == "burst")
    assert site.post("burst").headers["x-ao-route"].count(" answered") == 1


def test_a_server_that_asks_to_be_left_alone_is(site: Site) -> None:
    site.switches["rests"].mood = reply(429, b"{}", "retry-after: 120")
    assert [site.attempts(site.post("rests")) for _ in range(3)] == [2, 1, 1]
    assert site.asked("rests") == 1


def test_a_call_is_tried_again_where_the_policy_says_so(site: Site) -> None:
    site.switches["twice"].mood = InTurn([BUSY, normal])
    answer = site.post("twice")
    assert (answer.status_code, site.attempts(answer)) == (200, 2)
    site.switches["twice"].mood = FAILS
    failed = site.post("twice")
    assert (failed.status_code, site.attempts(failed)) == (502, 1), "what may have had an effect is not repeated"


def test_a_request_that_may_have_had_an_effect_goes_to_nobody_else_where_the_policy_is_careful(site: Site) -> None:
    answer = site.post("careful")
    assert (answer.status_code, site.attempts(answer)) == (502, 1)


@pytest.mark.parametrize(
    ("headers", "script"),
    [
        ({}, "a"),
        ({"x-ao-tags": "cn"}, "b"),
        ({"X-Customer-Tier": "enterprise"}, "c"),
        ({"x-customer-tier": "free", "x-ao-tags": "premium,cn"}, "b"),
    ],
)
def test_tags_and_headers_say_who_may_answer(site: Site, headers: dict[str, str], script: str) -> None:
    assert site.by(site.post("tagged", headers)) == script


def test_where_nobody_may_answer_nobody_does(site: Site) -> None:
    deployments = ("a", "b", "c", "d")
    before = [site.asked(script) for script in deployments]
    answer = site.post("tagged", {"x-ao-tags": "us"})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["type"]) == (400, "no_route", "invalid_request_error")
    entry_made = site.gateway.entry(answer.headers["x-request-id"])
    assert (entry_made.outcome, entry_made.attempts, entry_made.deployment) == ("upstream_refused", 0, "none")
    assert [site.asked(script) for script in deployments] == before


def test_a_session_stays_and_the_explanation_names_who_answers(site: Site) -> None:
    seen = set()
    for number in range(8):
        user = f"user-{number}"
        routes = {site.post("sticky", user=user).headers["x-ao-route"] for _ in range(3)}
        assert len(routes) == 1
        explained = json.loads(
            site.gateway.ao("route", "explain", "--alias", "sticky", "--user", user, "--json").stdout
        )
        first = explained["legs"][0]["tried"][0]
        assert routes == {f"{first} answered (of your own; sticky by user)"}
        seen.add(first)
    assert len(seen) > 1
    one = {site.post("sticky", {"X-Session-Id": "s"}, user=str(n)).headers["x-ao-route"] for n in range(4)}
    assert len(one) == 1


def test_a_canary_at_a_hundred_percent_takes_everything(site: Site) -> None:
    assert {site.by(site.post("canary")) for _ in range(6)} == {"b"}


def test_a_preset_is_at_work(site: Site) -> None:
    assert {site.by(site.post("private")) for _ in range(3)} == {"b"}


def test_a_request_that_is_too_long_goes_to_the_alias_that_is_named_for_it(site: Site) -> None:
    site.switches["long"].mood = TOO_LONG
    answer = site.post("long")
    assert answer.status_code == 200
    assert " context_too_long > small#" in answer.headers["x-ao-route"]
    entry_made = site.gateway.entry(answer.headers["x-request-id"])
    assert (entry_made.model, entry_made.deployment.partition("#")[0]) == ("long", "small")
    site.switches["long"].mood = reply(400, {"error": {"message": "bad tools"}})
    refused = site.post("long")
    assert (refused.status_code, refused.headers["x-ao-route"].split(" ")[1]) == (400, "answered")


def test_no_more_calls_are_under_way_than_the_limit_allows_and_the_queue_is_bounded(site: Site) -> None:
    switch = site.switches["one"]
    switch.mood = held
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: site.post("one"), range(8)))
    codes = sorted(each.status_code for each in answers)
    assert switch.most == 1
    assert codes.count(200) >= 3
    assert set(codes) <= {200, 429}
    full = next(each for each in answers if each.status_code == 429)
    assert (full.json()["error"]["code"], full.headers["retry-after"]) == ("deployment_full", "1")
    assert site.gateway.entry(full.headers["x-request-id"]).attempts == 0
    assert site.post("one").status_code == 200, "every place was given back"


def test_a_stream_holds_its_place_to_its_end(site: Site) -> None:
    switch = site.switches["one"]
    switch.mood, switch.most = ORDERLY, 0
    with ThreadPoolExecutor(3) as pool:
        streams = list(pool.map(lambda _: stream(site.gateway, "one"), range(3)))
    assert switch.most == 1
    assert all(each.body.endswith(b"data: [DONE]\n\n") for each in streams)


def gone(site: Site) -> list[Any]:
    return [each for each in site.gateway.lines() if getattr(each, "outcome", "") == "client_gone"]


def test_an_app_that_leaves_the_queue_is_never_computed_for(site: Site) -> None:
    site.switches["gone"].mood = write(60.0)
    with Line(site.gateway) as holds:
        holds.call("gone", x_marker="holds")
        until(lambda: site.asked("gone") == 1)
        with Line(site.gateway) as waits:
            waits.call("gone", x_marker="waits")
            until(lambda: sum(getattr(each, "model", "") == "gone" for each in site.gateway.lines()) == 2)
        until(lambda: any(each.model == "gone" and each.attempts == 0 for each in gone(site)), within=5)
    until(lambda: sum(each.model == "gone" for each in gone(site)) == 2, within=5)
    assert site.upstream.of("waits") == []
    site.switches["gone"].mood = normal
    assert site.post("gone").status_code == 200


def test_an_app_that_leaves_between_two_tries_ends_them(site: Site) -> None:
    site.switches["paused"].mood = BUSY
    with Line(site.gateway) as line:
        line.call("paused")
        until(lambda: site.asked("paused") == 1)
    until(lambda: any(each.model == "paused" for each in gone(site)), within=5)
    assert site.asked("paused") == 1


def test_where_all_rest_a_policy_may_refuse_at_once_and_readyz_and_status_say_so(site: Site) -> None:
    site.switches["alone"].mood = FAILS
    assert site.post("alone").status_code == 502
    refused = site.post("alone")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "deployments_resting")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert site.asked("alone") == 1
    ready = httpx.get(f"{site.gateway.url}/readyz", trust_env=False)
    assert ready.status_code == 200
    assert ready.json()["no_healthy_deployment"] == ["alone"]
    assert "127.0.0.1" not in ready.text

    def told() -> str:
        status = json.loads(site.gateway.ao("status", "--json").stdout)
        (health,) = [each["health"] for each in status["config"]["deployments"] if each["alias"] == "alone"]
        return str(health["resting"])

    until(lambda: told() == "['circuit open']")
    assert "resting in 1 of 1 workers (circuit open" in site.gateway.ao("status").stdout
    explained = json.loads(site.gateway.ao("route", "explain", "--alias", "alone", "--json").stdout)
    assert explained["legs"][0]["tried"] == []


def test_the_route_is_one_line_of_the_log_and_no_word_of_the_call(site: Site) -> None:
    answer = site.post("burst", user="USER-MARKER")
    log = site.gateway.stderr.read_text()
    (line,) = [each for each in log.splitlines() if answer.headers["x-request-id"] in each and "ao.route" in each]
    assert line.endswith(answer.headers["x-ao-route"])
    assert "MARKER" not in log


def test_a_policy_that_does_not_tell_tells_nothing(site: Site) -> None:
    assert "x-ao-route" not in site.post("canary").headers


def test_probes_find_out_before_a_call_does(site: Site) -> None:
    """The script answers GET as it answers POST."""
    assert site.by(site.post("probed")) == "probed"
    site.switches["probed"].mood = FAILS
    probes = site.asked("probed")
    until(lambda: site.asked("probed") > probes)
    until(lambda: "status 500" in site.gateway.ao("status").stdout)
    until(lambda: site.attempts(site.post("probed")) == 1 and site.by(site.post("probed")) == "good")
    asked = [each for each in site.upstream.received if each.script == "probed" and each.target.endswith("/models")]
    assert asked
    assert all("authorization" not in each.headers and not each.body for each in asked)
    site.switches["probed"].mood = normal
    until(lambda: site.by(site.post("probed")) == "probed")


def test_a_reload_drops_no_stream_and_forgets_nothing_of_the_deployments_that_stay(site: Site, tmp_path: Path) -> None:
    site.switches["kept"].mood = FAILS
    assert [site.attempts(site.post("kept")) for _ in range(2)] == [2, 1]
    kept = site.asked("kept")
    found: list[Answer] = []
    thread = threading.Thread(target=lambda: found.append(stream(site.gateway, "orderly")))
    thread.start()
    until(lambda: site.asked("orderly") == 1)
    # Without the alias of the stream, and everything else in another order.
    fewer = [each for each in models(site.upstream)[::-1] if each["alias"] != "orderly"]
    text = config_text(fewer, ROUTING)
    file = tmp_path / "config.yaml.signed"
    file.write_bytes(config_bytes(text, serial=2, now=datetime.now(UTC).replace(microsecond=0)))
    done = site.gateway.ao("config", "import", str(file), "--yes")
    assert done.returncode == 0, done.stderr
    answers = [site.post("kept") for _ in range(3)]
    assert [site.attempts(each) for each in answers] == [1, 1, 1]
    assert site.asked("kept") == kept
    assert site.post("orderly").status_code == 404
    thread.join(20)
    assert found[0].body.endswith(b"data: [DONE]\n\n")
    assert site.gateway.entry(found[0].request_id).outcome == "complete"


def test_the_limit_is_the_sites_over_all_workers(tmp_path: Path) -> None:
    switch = Switch(held)
    with Upstream({"one": switch}) as upstream:
        models_of = [entry("one", at(upstream, "one"), limits={"concurrent": 2, "queue": 50, "queue_seconds": 60})]
        gateway = Gateway(tmp_path, config_text(models_of, {}), workers=2)
        gateway.start()
        try:
            until(lambda: len(gateway.workers()) == 2)
            with ThreadPoolExecutor(12) as pool:
                answers = list(pool.map(lambda _: gateway.post("one"), range(12)))
        finally:
            gateway.stop()
    assert [each.status_code for each in answers] == [200] * 12
    assert switch.most == 2
