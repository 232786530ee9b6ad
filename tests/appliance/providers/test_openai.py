"""OpenAI's wire: as little as possible is touched."""

from __future__ import annotations

import json

import pytest

from appliance.config.model import Deployment
from appliance.gateway.request import parse_call
from appliance.providers.openai import request

DEPLOYMENT = Deployment("chat#0", "chat", "openai-compatible", "org/model-7b", "http://gpu:8000/v1", "${K}", ())


def sent(text: str, endpoint: str = "chat/completions", key: str | None = "sk-1") -> tuple[str, dict[str, str], str]:
    built = request(parse_call(endpoint, text.encode()), DEPLOYMENT, key)
    assert isinstance(built.body, bytes)
    return built.url, dict(built.headers), built.body.decode()


def test_the_model_becomes_the_deployments_name_for_it_and_nothing_else_changes() -> None:
    url, headers, body = sent('{"temperature":0.10,"model":"chat","messages":[ {"x":1e3} ],"stream":false}')
    assert url == "http://gpu:8000/v1/chat/completions"
    assert body == '{"temperature":0.10,"model":"org/model-7b","messages":[ {"x":1e3} ],"stream":false}'
    assert headers["authorization"] == "Bearer sk-1"
    assert headers["accept-encoding"] == "identity"


def test_without_a_key_none_is_sent() -> None:
    assert "authorization" not in sent('{"model":"chat"}', key=None)[1]


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("", {"include_usage": True}),
        (',"stream_options":null', {"include_usage": True}),
        (',"stream_options":{}', {"include_usage": True}),
        (',"stream_options":{"include_usage":false,"x":1}', {"include_usage": True, "x": 1}),
        (',"stream_options":{"include_usage":true,"x":1}', {"include_usage": True, "x": 1}),
    ],
)
def test_a_stream_is_asked_for_its_usage(given: str, asked: dict[str, object]) -> None:
    assert json.loads(sent('{"model":"chat","stream":true' + given + "}")[2])["stream_options"] == asked


def test_what_is_no_stream_is_not_asked_for_usage() -> None:
    for text in ('{"model":"chat"}', '{"model":"chat","stream":false}', '{"model":"chat","stream":null}'):
        assert "stream_options" not in json.loads(sent(text)[2])
    assert "stream_options" not in json.loads(sent('{"model":"chat","stream":true}', "embeddings")[2])


def test_a_member_that_stands_twice_is_sent_once() -> None:
    assert sent('{"model":"other","model":"chat","n":1,"n":2}')[2] == '{"model":"org/model-7b","n":2}'


def test_neither_key_nor_prompt_is_in_a_repr() -> None:
    built = request(parse_call("chat/completions", b'{"model":"chat","messages":"my-prompt"}'), DEPLOYMENT, "sk-secret")
    assert "sk-secret" not in repr(built)
    assert "my-prompt" not in repr(built)
    inline = Deployment("a#0", "a", "openai-compatible", "m", "http://b", "sk-inline", ())
    assert "sk-inline" not in repr(inline)
