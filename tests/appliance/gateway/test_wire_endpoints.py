"""Every endpoint from outside: passed through where the provider has it, answered from chat where it has not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from appliance.gateway.upload import HELD_IN_MEMORY_BYTES
from tests.appliance.gateway.dialects.calls import events
from tests.appliance.gateway.endpoint_upstream import JSON, SOUND, STREAMS, EndpointUpstream
from tests.appliance.gateways import Gateway, models_text

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def provider() -> Iterator[EndpointUpstream]:
    with EndpointUpstream() as server:
        yield server


@pytest.fixture(scope="module")
def site(provider: EndpointUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    routes = {kind: [provider.base(kind)] for kind in ("full", "chat", "dying")}
    twice = {"twice": ["http://127.0.0.1:9/v1", provider.base("full")]}
    made = Gateway(tmp_path_factory.mktemp("endpoints"), models_text(routes | twice))
    made.start()
    yield made
    made.stop()


def post(site: Gateway, endpoint: str, **members: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {site.key}"}
    return httpx.post(f"{site.url}/v1/{endpoint}", json=members, headers=headers, timeout=30, trust_env=False)


def send_form(site: Gateway, endpoint: str, data: dict[str, str], **files: Any) -> httpx.Response:
    headers = {"x-api-key": site.key}
    return httpx.post(f"{site.url}/v1/{endpoint}", data=data, files=files, headers=headers, timeout=30, trust_env=False)


def counts(site: Gateway, answer: httpx.Response) -> tuple[str, int, int, int, int, int]:
    entry = site.entry(answer.headers["x-request-id"])
    told = (entry.prompt_tokens, entry.completion_tokens, entry.cached_tokens)
    return (entry.outcome, *told, entry.estimated_prompt_tokens, entry.estimated_completion_tokens)


MESSAGE = {"max_tokens": 9, "messages": [{"role": "user", "content": "PROMPT-MARKER"}]}
ASKED: dict[str, dict[str, Any]] = {
    "chat/completions": {"messages": []},
    "completions": {"prompt": "x"},
    "embeddings": {"input": "x"},
    "responses": {"input": "x", "store": True, "background": False},
    "rerank": {"query": "x", "documents": ["y"]},
    "moderations": {"input": "x"},
    "images/generations": {"prompt": "x"},
    "images/edits": {"prompt": "x", "images": []},
}
COUNTED = {
    "chat/completions": (21, 4, 0),
    "completions": (21, 4, 0),
    "embeddings": (3, 0, 0),
    "responses": (17, 5, 7),
    "rerank": (11, 0, 0),
    "images/generations": (17, 5, 7),
    "images/edits": (17, 5, 7),
}


@pytest.mark.parametrize("endpoint", ASKED)
@pytest.mark.parametrize("slash", ["", "/"])
def test_an_endpoint_that_the_provider_has_is_passed_through(
    site: Gateway, provider: EndpointUpstream, endpoint: str, slash: str
) -> None:
    answer = post(site, endpoint + slash, model="full", x_unknown={"a": [1]}, **ASKED[endpoint])
    assert (answer.status_code, answer.json()) == (200, JSON[endpoint])
    asked = provider.last(endpoint)
    assert asked.members == {"model": "upstream-name", "x_unknown": {"a": [1]}, **ASKED[endpoint]}
    assert asked.headers["accept-encoding"] == "identity"
    outcome, *told = counts(site, answer)
    assert outcome == "complete"
    assert tuple(told[:3]) == COUNTED.get(endpoint, (0, 0, 0))
    assert (told[3] > 0) == (endpoint not in COUNTED)


@pytest.mark.parametrize("endpoint", ["completions", "responses", "images/generations"])
def test_a_stream_is_passed_through_in_its_own_grammar(site: Gateway, endpoint: str) -> None:
    answer = post(site, endpoint, model="full", stream=True, **ASKED[endpoint])
    assert answer.headers["content-type"].startswith("text/event-stream")
    if endpoint == "completions":
        assert answer.content.endswith(b"data: [DONE]\n\n")
        assert counts(site, answer) == ("complete", 21, 4, 0, 0, 0)
    else:
        assert answer.content == STREAMS[endpoint]
        assert counts(site, answer) == ("complete", 17, 5, 7, 0, 0)


def test_usage_is_asked_for_only_where_that_is_a_member(site: Gateway, provider: EndpointUpstream) -> None:
    post(site, "responses", model="full", stream=True, input="x")
    assert "stream_options" not in provider.last("responses").members
    post(site, "completions", model="full", stream=True, prompt="x")
    assert provider.last("completions").members["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("endpoint", ["responses", "messages"])
def test_an_endpoint_that_the_provider_lacks_is_answered_from_chat(site: Gateway, endpoint: str) -> None:
    asked = {"input": "x"} if endpoint == "responses" else MESSAGE
    for _ in range(2):
        answer = post(site, endpoint, model="chat", **asked)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert told["object" if endpoint == "responses" else "type"] == endpoint.removesuffix("s")
        assert "COMPLETION-MARKER" in answer.text
        assert counts(site, answer) == ("complete", 21, 4, 0, 0, 0)
        assert site.entry(answer.headers["x-request-id"]).endpoint == endpoint


def test_a_server_that_lacks_an_endpoint_is_asked_for_it_once(site: Gateway, provider: EndpointUpstream) -> None:
    post(site, "responses", model="chat", input="x")
    before = len(provider.asked)
    post(site, "responses", model="chat", input="x")
    assert [each.endpoint for each in provider.asked[before:]] == ["chat/completions"]


@pytest.mark.parametrize(("endpoint", "end"), [("responses", "response.completed"), ("messages", "message_stop")])
def test_a_stream_from_chat_ends_as_its_own_dialect_does(site: Gateway, endpoint: str, end: str) -> None:
    asked = {"input": "x"} if endpoint == "responses" else MESSAGE
    answer = post(site, endpoint, model="chat", stream=True, **asked)
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = events(answer.content)
    assert [each["type"] for each in told].count(end) == 1
    assert told[-1]["type"] == end
    assert b"[DONE]" not in answer.content
    assert counts(site, answer) == ("complete", 21, 4, 0, 0, 0)
    assert site.entry(answer.headers["x-request-id"]).first_token_ms is not None


@pytest.mark.parametrize("endpoint", ["responses", "messages"])
def test_what_cannot_be_told_in_chat_is_refused_by_its_name(site: Gateway, endpoint: str) -> None:
    asked = {"input": "x", "previous_response_id": "r1"} if endpoint == "responses" else {**MESSAGE, "container": "c"}
    answer = post(site, endpoint, model="chat", **asked)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == ("previous_response_id" if endpoint == "responses" else "container")


def test_errors_on_anthropics_paths_have_its_envelope(site: Gateway) -> None:
    def kind(answer: httpx.Response) -> tuple[int, str]:
        told = answer.json()
        assert told["type"] == "error"
        assert told["request_id"] == answer.headers["request-id"] == answer.headers["x-request-id"]
        assert told["error"]["message"]
        return answer.status_code, told["error"]["type"]

    assert kind(httpx.post(f"{site.url}/v1/messages", json={}, trust_env=False)) == (401, "authentication_error")
    assert kind(post(site, "messages", **MESSAGE)) == (400, "invalid_request_error")
    assert kind(post(site, "messages", model="none", **MESSAGE)) == (404, "not_found_error")
    assert kind(httpx.get(f"{site.url}/v1/messages", trust_env=False)) == (405, "invalid_request_error")


@pytest.mark.parametrize("endpoint", ["responses", "messages", "chat/completions"])
def test_a_stream_that_breaks_off_tells_so_in_its_own_dialect(site: Gateway, endpoint: str) -> None:
    every: dict[str, dict[str, Any]] = {"messages": MESSAGE, "responses": {"input": "x"}}
    asked = every.get(endpoint, {"messages": []})
    answer = post(site, endpoint, model="dying", stream=True, **asked)
    name, data = answer.content.split(b"\n\n")[-2].split(b"\n")
    assert name == b"event: error"
    told = json.loads(data.removeprefix(b"data: "))
    if endpoint == "responses":
        assert (told["type"], told["code"]) == ("error", "upstream_unavailable")
        assert told["sequence_number"] == answer.content.count(b"event: ") - 1
    elif endpoint == "messages":
        assert (told["type"], told["error"]["type"]) == ("error", "api_error")
    else:
        assert told["error"]["code"] == "upstream_unavailable"
    assert not any(end in answer.content for end in (b"[DONE]", b"message_stop", b"response.completed"))
    assert counts(site, answer)[0] == "upstream_failed"


def test_tokens_are_estimated_and_marked_where_nobody_counts_them(site: Gateway) -> None:
    answer = post(site, "messages/count_tokens", model="chat", messages=MESSAGE["messages"])
    assert answer.json()["input_tokens"] > 5
    assert answer.json()["estimated"] is True
    assert answer.headers["x-ao-token-count"] == "estimated"
    assert counts(site, answer) == ("complete", 0, 0, 0, 0, 0)


def test_sound_streams_out_and_is_recorded(site: Gateway, provider: EndpointUpstream) -> None:
    answer = post(site, "audio/speech", model="full", input="PROMPT-MARKER", voice="v")
    assert (answer.headers["content-type"], answer.content) == ("audio/mpeg", SOUND)
    assert provider.last("audio/speech").members["model"] == "upstream-name"
    outcome, *told = counts(site, answer)
    assert (outcome, told[:3], told[3] > 0) == ("complete", [0, 0, 0], True)


def test_sound_that_breaks_off_has_no_good_end(site: Gateway) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        post(site, "audio/speech", model="dying", input="x", voice="v")


@pytest.mark.parametrize("endpoint", ["audio/transcriptions", "audio/translations", "images/edits"])
def test_a_form_is_passed_through_with_its_model_replaced(
    site: Gateway, provider: EndpointUpstream, endpoint: str
) -> None:
    sound = SOUND * 200
    answer = send_form(site, endpoint, {"model": "full", "language": "de"}, file=("ton.wav", sound, "audio/wav"))
    assert (answer.status_code, answer.json()) == (200, JSON[endpoint])
    asked = provider.last(endpoint)
    assert asked.pieces > 10
    assert sound in asked.body
    assert b'name="model"\r\n\r\nupstream-name\r\n' in asked.body
    assert b"full" not in asked.body
    assert counts(site, answer) == ("complete", *COUNTED.get(endpoint, (0, 0, 0)), 0, 0)


def test_a_form_whose_model_comes_last_is_passed_through(site: Gateway, provider: EndpointUpstream) -> None:
    boundary = "b0undary"
    sound = SOUND * 200
    assert len(sound) > 2 * HELD_IN_MEMORY_BYTES

    def form() -> Iterator[bytes]:
        yield f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'.encode()
        for start in range(0, len(sound), 50_000):
            yield sound[start : start + 50_000]
        yield f'\r\n--{boundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\nfull\r\n'.encode()
        yield f"--{boundary}--\r\n".encode()

    headers = {"authorization": f"Bearer {site.key}", "content-type": f"multipart/form-data; boundary={boundary}"}
    answer = httpx.post(
        f"{site.url}/v1/audio/transcriptions", content=form(), headers=headers, timeout=30, trust_env=False
    )
    assert answer.status_code == 200, answer.text
    assert sound in provider.last("audio/transcriptions").body


def test_a_form_may_be_answered_in_text_or_as_a_stream(site: Gateway) -> None:
    file = {"file": ("a.wav", SOUND)}
    text = send_form(site, "audio/transcriptions", {"model": "full", "response_format": "srt"}, **file)
    assert text.headers["content-type"].startswith("text/plain")
    assert text.text.endswith("hello\n")
    stream = send_form(site, "audio/transcriptions", {"model": "full", "stream": "true"}, **file)
    assert stream.content == STREAMS["audio/transcriptions"]
    assert counts(site, stream) == ("complete", 17, 5, 7, 0, 0)


def test_a_form_goes_to_the_next_deployment_where_the_first_took_nothing_of_it(site: Gateway) -> None:
    answer = send_form(site, "audio/transcriptions", {"model": "twice"}, file=("a.wav", SOUND))
    if answer.status_code != 200:  # a client library may have asked for the first piece before it knew of the refusal
        assert answer.json()["error"]["code"] == "upload_not_repeated"


def test_a_form_without_a_model_or_without_a_boundary_is_refused(site: Gateway) -> None:
    assert (
        send_form(site, "audio/transcriptions", {"x": "y"}, file=("a.wav", SOUND)).json()["error"]["param"] == "model"
    )
    answer = post(site, "audio/transcriptions", model="full")
    assert answer.status_code == 400


def test_models_are_told_in_anthropics_words_to_its_clients(site: Gateway) -> None:
    headers = {"x-api-key": site.key, "anthropic-version": "2023-06-01"}
    listed = httpx.get(f"{site.url}/v1/models", headers=headers, trust_env=False).json()
    assert [each["id"] for each in listed["data"]] == ["full", "chat", "dying", "twice"]
    assert (listed["first_id"], listed["last_id"], listed["has_more"]) == ("full", "twice", False)
    one = httpx.get(f"{site.url}/v1/models/chat", headers=headers, trust_env=False).json()
    assert (one["type"], one["display_name"]) == ("model", "chat")


def test_no_response_is_kept(site: Gateway) -> None:
    answer = httpx.get(f"{site.url}/v1/responses/resp_1", headers={"x-api-key": site.key}, trust_env=False)
    assert answer.status_code == 404
    assert "not kept" in answer.json()["error"]["message"]


def test_no_prompt_stays_on_this_host(site: Gateway) -> None:
    found = [file for file in site.state.rglob("*") if file.is_file() and b"PROMPT-MARKER" in file.read_bytes()]
    assert found == []
    assert "PROMPT-MARKER" not in site.stderr.read_text()
