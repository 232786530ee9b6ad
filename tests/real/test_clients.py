"""The official clients, changed in nothing but their address and key: before a real llama.cpp server, and before
recorded shapes where a tiny model of random weights cannot do it (tools)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Literal

import anthropic
import openai
import pytest
from pydantic import BaseModel

from tests.appliance.gateway.endpoint_upstream import EndpointUpstream
from tests.appliance.gateways import Gateway, models_text
from tests.real.model_server import ModelServer

pytestmark = pytest.mark.real

QUESTION = "the heron stood in the reeds"
SCHEMA: dict[str, object] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


class Verdict(BaseModel):
    answer: Literal["yes", "no"]


@pytest.fixture(scope="module")
def recorded() -> Iterator[EndpointUpstream]:
    with EndpointUpstream() as server:
        yield server


@pytest.fixture(scope="module")
def site(llama: ModelServer, recorded: EndpointUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    routes = {"llama": [llama.base_url], "recorded": [recorded.base("chat")], "full": [recorded.base("full")]}
    made = Gateway(tmp_path_factory.mktemp("clients"), models_text(routes))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def app(site: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{site.url}/v1", api_key=site.key, max_retries=0) as client:
        yield client


@pytest.fixture
def claude(site: Gateway) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=site.url, api_key=site.key, max_retries=0) as client:
        yield client


def test_openai_chat_and_its_stream(app: openai.OpenAI, site: Gateway) -> None:
    whole = app.chat.completions.create(
        model="llama", messages=[{"role": "user", "content": QUESTION}], max_tokens=6, temperature=0
    )
    chunks = list(
        app.chat.completions.create(
            model="llama",
            messages=[{"role": "user", "content": QUESTION}],
            max_tokens=6,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(each.choices[0].delta.content or "" for each in chunks if each.choices)
    assert text == whole.choices[0].message.content
    assert whole.usage is not None
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert whole._request_id is not None
    assert site.entry(whole._request_id).completion_tokens == whole.usage.completion_tokens


def test_openai_parses_an_answer_of_a_given_shape(app: openai.OpenAI) -> None:
    parsed = app.chat.completions.parse(
        model="llama",
        messages=[{"role": "user", "content": QUESTION}],
        response_format=Verdict,
        max_tokens=400,
        temperature=0,
    )
    assert isinstance(parsed.choices[0].message.parsed, Verdict)


def test_openai_tools(app: openai.OpenAI) -> None:
    answer = app.chat.completions.create(
        model="recorded",
        messages=[{"role": "user", "content": QUESTION}],
        tools=[{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}],
    )
    assert answer.choices[0].message.tool_calls
    call = answer.choices[0].message.tool_calls[0]
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Köln"})


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_openai_embeddings(app: openai.OpenAI, encoding: Literal["float", "base64"]) -> None:
    answer = app.embeddings.create(model="llama", input=[QUESTION, "x"], encoding_format=encoding)
    assert len(answer.data) == 2


def test_openai_completions(app: openai.OpenAI) -> None:
    answer = app.completions.create(model="llama", prompt=QUESTION, max_tokens=4, temperature=0)
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 4


@pytest.mark.parametrize("model", ["llama", "recorded", "full"])
def test_openai_responses_and_their_stream(app: openai.OpenAI, site: Gateway, model: str) -> None:
    whole = app.responses.create(model=model, input=QUESTION, max_output_tokens=16, temperature=0)
    assert whole.usage is not None
    assert whole._request_id is not None
    assert site.entry(whole._request_id).completion_tokens == whole.usage.output_tokens > 0
    kinds = [
        each.type
        for each in app.responses.create(model=model, input=QUESTION, max_output_tokens=16, temperature=0, stream=True)
    ]
    assert kinds[0] == "response.created"
    assert kinds[-1] in ("response.completed", "response.incomplete")
    if model != "full":
        assert "response.output_text.delta" in kinds


def test_openai_is_told_of_a_wrong_key_and_a_wrong_model_by_the_right_exceptions(
    app: openai.OpenAI, site: Gateway
) -> None:
    with pytest.raises(openai.NotFoundError) as none:
        app.chat.completions.create(model="none", messages=[])
    assert none.value.code == "model_not_found"
    with (
        openai.OpenAI(base_url=f"{site.url}/v1", api_key="ao-wrong", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError),
    ):
        stranger.models.list()


def test_anthropic_messages_and_their_stream(claude: anthropic.Anthropic, site: Gateway) -> None:
    message = claude.messages.create(
        model="llama", max_tokens=6, messages=[{"role": "user", "content": QUESTION}], system="be brief"
    )
    assert message.stop_reason in ("end_turn", "max_tokens")
    assert message._request_id is not None
    entry = site.entry(message._request_id)
    assert entry.endpoint == "messages"
    total = message.usage.input_tokens + (message.usage.cache_read_input_tokens or 0)
    assert (entry.prompt_tokens, entry.completion_tokens) == (total, message.usage.output_tokens)
    with claude.messages.stream(
        model="llama", max_tokens=6, messages=[{"role": "user", "content": QUESTION}]
    ) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert "".join(block.text for block in final.content if block.type == "text") == text
    assert final.usage.output_tokens > 0


def test_anthropic_tools(claude: anthropic.Anthropic) -> None:
    tools: list[anthropic.types.ToolParam] = [{"name": "weather", "input_schema": SCHEMA}]
    question: list[anthropic.types.MessageParam] = [{"role": "user", "content": QUESTION}]
    message = claude.messages.create(model="recorded", max_tokens=9, messages=question, tools=tools)
    (use,) = [block for block in message.content if block.type == "tool_use"]
    assert (message.stop_reason, use.name, use.input) == ("tool_use", "weather", {"city": "Köln"})
    with claude.messages.stream(model="recorded", max_tokens=9, messages=question, tools=tools) as stream:
        final = stream.get_final_message()
    (streamed,) = [block for block in final.content if block.type == "tool_use"]
    assert (streamed.name, streamed.input, final.stop_reason) == ("weather", {"city": "Köln"}, "tool_use")


def test_anthropic_counts_lists_and_errs(claude: anthropic.Anthropic, site: Gateway) -> None:
    counted = claude.messages.count_tokens(model="llama", messages=[{"role": "user", "content": QUESTION}])
    assert counted.input_tokens > 5
    assert [each.id for each in claude.models.list()] == ["llama", "recorded", "full"]
    with pytest.raises(anthropic.BadRequestError, match="thinking"):
        claude.messages.create(
            model="llama",
            max_tokens=2000,
            messages=[{"role": "user", "content": QUESTION}],
            thinking={"type": "enabled", "budget_tokens": 1024},
        )
    with pytest.raises(anthropic.NotFoundError):
        claude.messages.create(model="none", max_tokens=9, messages=[])
    with (
        anthropic.Anthropic(base_url=site.url, api_key="ao-wrong", max_retries=0) as stranger,
        pytest.raises(anthropic.AuthenticationError),
    ):
        stranger.models.list()
