"""The gateway's door, from outside: keys, paths, envelopes, headers."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from appliance.gateway.request import BODY_LIMIT_BYTES
from tests.appliance.gateway.upstreams import Upstream
from tests.appliance.gateway.wire import Line
from tests.appliance.gateways import UPSTREAM_KEY, Gateway

pytestmark = pytest.mark.real


def get(gateway: Gateway, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    usual = {"authorization": f"Bearer {gateway.key}"}
    return httpx.request(method, gateway.url + path, headers=usual | headers, trust_env=False)


def error_in(answer: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    return error


def test_a_call_reaches_the_model_server_as_the_app_wrote_it(gateway: Gateway, upstream: Upstream) -> None:
    more: dict[str, Any] = {"x_unknown": {"a": [1, 2.50, None]}, "tools": [], "n": 2, "logprobs": True}
    answer = gateway.post("good", x_marker="as-written", **more)
    assert answer.status_code == 200
    (received,) = upstream.of("as-written")
    assert {name: received.body[name] for name in more} == more
    assert received.body["model"] == "upstream-name"
    assert "stream_options" not in received.body
    assert received.headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
    assert received.headers["content-type"] == "application/json"
    assert gateway.key not in json.dumps(received.headers)


def test_a_query_string_is_passed_on(gateway: Gateway, upstream: Upstream) -> None:
    answer = gateway.post("good", path="/v1/chat/completions?api-version=2026-01-01&x=%20y", x_marker="query")
    assert answer.status_code == 200
    (received,) = upstream.of("query")
    assert received.target == "/good/v1/chat/completions?api-version=2026-01-01&x=%20y"


def test_embeddings_go_to_their_own_path(gateway: Gateway, upstream: Upstream) -> None:
    answer = gateway.post("good", path="/v1/embeddings", input=["x"], encoding_format="base64", x_marker="embeddings")
    assert answer.status_code == 200
    (received,) = upstream.of("embeddings")
    assert received.target == "/good/v1/embeddings"
    assert received.body["encoding_format"] == "base64"
    assert gateway.entry(answer.headers["x-request-id"]).endpoint == "embeddings"


@pytest.mark.parametrize(
    "name", ["authorization", "AUTHORIZATION", "Authorization", "x-api-key", "X-API-Key", "X-Api-KEY"]
)
def test_a_key_is_taken_from_either_header_in_any_case(gateway: Gateway, name: str) -> None:
    value = gateway.key if "api" in name.lower() else f"bEaReR  {gateway.key} "
    with Line(gateway) as line:
        line.send("GET", "/v1/models", b"", f"{name}: {value}")
        assert line.head().status == 200


@pytest.mark.parametrize(
    "header",
    [
        "x-other: 1",
        "authorization: Bearer ao-wrong",
        "authorization: Bearer",
        "authorization: Basic YTpi",
        "x-api-key: ao-wrong",
        "x-api-key: " + "x" * 5000,
        "authorization: Bearer ä",
    ],
)
@pytest.mark.parametrize("target", ["POST /v1/chat/completions", "GET /v1/models", "GET /v1/models/good"])
def test_without_a_good_key_there_is_no_answer(gateway: Gateway, header: str, target: str) -> None:
    with Line(gateway) as line:
        since = line.send(*target.split(" "), b"", header)  # type: ignore[arg-type]
        answer = line.chunks(line.head(), since)
    assert answer.status == 401
    error = json.loads(answer.body)["error"]
    assert (error["code"], error["type"]) == ("invalid_api_key", "invalid_request_error")
    assert answer.request_id.startswith("req_")


def test_a_model_that_is_configured_and_not_licensed_is_forbidden(gateway: Gateway) -> None:
    answer = gateway.post("forbidden")
    assert answer.status_code == 403
    assert error_in(answer) == error_in(answer) | {"code": "model_not_licensed", "param": "model"}


@pytest.mark.parametrize("model", ["nothing-like-it", "", "x" * 10_000, "a\nb", "good\x00"])
def test_a_model_that_is_not_there_is_not_found(gateway: Gateway, model: str) -> None:
    answer = gateway.post(model)
    assert answer.status_code == 404
    assert error_in(answer)["code"] == "model_not_found"
    assert len(answer.content) < 1000


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"model":1}', b'{"model":"\xff"}', b"\x00" * 100])
def test_a_body_that_cannot_be_read_is_a_bad_request(gateway: Gateway, body: bytes) -> None:
    headers = {"authorization": f"Bearer {gateway.key}"}
    answer = httpx.post(gateway.url + "/v1/chat/completions", content=body, headers=headers, trust_env=False)
    assert answer.status_code == 400
    assert error_in(answer)["code"] == "invalid_request"


def test_a_body_that_is_too_large_is_refused(gateway: Gateway) -> None:
    body = b'{"model":"good","x":"' + b"x" * BODY_LIMIT_BYTES + b'"}'
    headers = {"authorization": f"Bearer {gateway.key}"}
    answer = httpx.post(
        gateway.url + "/v1/chat/completions", content=body, headers=headers, timeout=30, trust_env=False
    )
    assert answer.status_code == 413
    assert error_in(answer)["code"] == "request_too_large"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("PUT", "/v1/embeddings", "POST"),
        ("DELETE", "/v1/models", "GET, HEAD"),
        ("POST", "/v1/models/good", "GET, HEAD"),
    ],
)
def test_a_method_that_a_path_does_not_have_is_refused(gateway: Gateway, method: str, path: str, allow: str) -> None:
    answer = get(gateway, path, method)
    assert (answer.status_code, answer.headers["allow"]) == (405, allow)
    assert error_in(answer)["code"] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1", "/v1/", "/v1/chat", "/v1/chat/completions/extra", "/v1/../x"])
def test_a_path_that_is_not_there_is_not_found(gateway: Gateway, path: str) -> None:
    with Line(gateway) as line:
        since = line.send("GET", path, key=gateway.key)
        answer = line.chunks(line.head(), since)
    assert answer.status == 404
    assert json.loads(answer.body)["error"]["code"] == "not_found"


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/v1/models", "/v1/models/good", "/v1/x", "/elsewhere"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_every_answer_has_a_request_id(gateway: Gateway, method: str, path: str) -> None:
    answer = get(gateway, path, method)
    assert answer.headers.get("x-request-id", "").startswith("req_")


def test_request_ids_are_unique(gateway: Gateway) -> None:
    found = [get(gateway, "/v1/models").headers["x-request-id"] for _ in range(50)]
    assert len(set(found)) == 50


def test_the_models_that_are_configured_and_licensed_are_listed(gateway: Gateway) -> None:
    answer = get(gateway, "/v1/models")
    listed = answer.json()
    assert listed["object"] == "list"
    names = [each["id"] for each in listed["data"]]
    assert {"good", "paced", "after-500"} <= set(names)
    assert "forbidden" not in names
    assert len(names) == len(set(names))
    assert {each["object"] for each in listed["data"]} == {"model"}


def test_one_model_is_shown(gateway: Gateway) -> None:
    assert get(gateway, "/v1/models/good").json()["id"] == "good"
    for hidden in ("forbidden", "nothing"):
        answer = get(gateway, f"/v1/models/{hidden}")
        assert (answer.status_code, error_in(answer)["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/v1/models", "/v1/models/good", "/v1/models/none"])
def test_head_answers_as_get_does_without_a_body(gateway: Gateway, path: str) -> None:
    """And the connection can be used for the next request."""
    with Line(gateway) as line:
        line.send("HEAD", path, key=gateway.key)
        first = line.head()
        since = line.send("GET", path, key=gateway.key)
        second = line.chunks(line.head(), since)
    assert first.status == second.status
    assert first.headers["content-length"] == second.headers["content-length"] == str(len(second.body))


def test_readiness_says_that_calls_are_answered(gateway: Gateway) -> None:
    assert get(gateway, "/healthz").json() == {"status": "alive"}
    assert get(gateway, "/readyz").json() == {"ready": True}


def test_two_requests_on_one_connection(gateway: Gateway) -> None:
    with Line(gateway) as line:
        for _ in range(3):
            since = line.call("good")
            answer = line.chunks(line.head(), since)
            assert (answer.status, answer.whole) == (200, True)


def test_a_key_that_is_revoked_is_refused_by_the_next_request(gateway: Gateway) -> None:
    key = gateway.new_key("short-lived")
    assert gateway.post("good", key=key).status_code == 200
    assert gateway.ao("keys", "revoke", "short-lived", "--yes").returncode == 0
    answer = gateway.post("good", key=key)
    assert answer.status_code == 401
    assert "revoked" in error_in(answer)["message"]
    assert key not in answer.text
