"""The demonstration model: the same answer to the same question, counted honestly, whatever it is asked."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from appliance.config.model import Deployment
from appliance.gateway.request import parse_call
from appliance.gateway.stream import Relay
from appliance.providers.demo import answer
from appliance.providers.registry import PROVIDERS

DEPLOYMENT = Deployment("chat#0", "chat", "demo", "chat", None, None, ())


def asked(body: dict[str, Any], endpoint: str = "chat/completions") -> tuple[int, str, bytes]:
    reply = answer(parse_call(endpoint, json.dumps({"model": "chat"} | body).encode()), DEPLOYMENT)
    return reply.status, reply.content_type, asyncio.run(reply.read())


HELLO = {"messages": [{"role": "user", "content": "Hello there, model"}]}


def test_an_answer_says_what_it_is() -> None:
    status, kind, data = asked(HELLO)
    body = json.loads(data)
    assert (status, kind) == (200, "application/json")
    assert "demonstration model" in body["choices"][0]["message"]["content"]
    assert body["usage"]["prompt_tokens"] == 3
    assert body["usage"]["total_tokens"] == 3 + body["usage"]["completion_tokens"]
    assert asked(HELLO) == asked(HELLO)


def test_a_stream_says_the_same_words() -> None:
    whole = json.loads(asked(HELLO)[2])
    status, kind, data = asked(HELLO | {"stream": True})
    assert (status, kind) == (200, "text/event-stream")
    frames = [json.loads(each[6:]) for each in data.split(b"\n\n") if each and each != b"data: [DONE]"]
    said = "".join(frame["choices"][0]["delta"].get("content", "") for frame in frames if frame["choices"])
    assert said == whole["choices"][0]["message"]["content"]
    relay = Relay(show_usage=False)
    relay.feed(data)
    assert (relay.done, relay.finished) == (True, True)
    assert relay.usage is not None
    assert relay.usage.completion_tokens == whole["usage"]["completion_tokens"]


@pytest.mark.parametrize("given", ["one two", ["one two"], ["one", "two"]])
def test_embeddings_count_words(given: object) -> None:
    body = json.loads(asked({"input": given}, "embeddings")[2])
    assert body["usage"]["prompt_tokens"] == 2
    assert len(body["data"]) == (len(given) if isinstance(given, list) else 1)


def test_embeddings_in_base64_are_the_same_numbers() -> None:
    import base64
    import struct

    plain = json.loads(asked({"input": "x"}, "embeddings")[2])["data"][0]["embedding"]
    packed = json.loads(asked({"input": "x", "encoding_format": "base64"}, "embeddings")[2])["data"][0]["embedding"]
    assert struct.unpack("<16f", base64.b64decode(packed)) == pytest.approx(plain, abs=1e-6)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"messages": None},
        {"messages": []},
        {"messages": [1]},
        {"messages": {"a": 1}},
        {"messages": [{"content": 5}]},
    ],
)
def test_what_it_cannot_read_is_a_bad_request_or_an_answer(body: dict[str, Any]) -> None:
    assert asked(body)[0] in (200, 400)
    assert asked(body, "embeddings")[0] in (200, 400)


def test_every_provider_has_exactly_one_way_to_answer() -> None:
    for name, provider in PROVIDERS.items():
        assert provider.needs.name == name
        assert bool(provider.wires) != (provider.answer is not None)
