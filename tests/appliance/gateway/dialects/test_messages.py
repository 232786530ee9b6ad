"""Anthropic's messages in front of a model that speaks chat: told faithfully, or refused by the member's name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from appliance.gateway.dialects.messages_answer import Stream, whole
from appliance.gateway.dialects.messages_request import as_chat
from appliance.providers.call import CannotTranslate, UnreadableAnswer
from tests.appliance.gateway.dialects.calls import USAGE, call_to, chat_reply, decoded, delta, events, frame, tool

USER = {"role": "user", "content": "hello"}


def told(**members: Any) -> dict[str, Any]:
    return decoded(as_chat(call_to("messages", **({"max_tokens": 9, "messages": [USER]} | members))))


def test_a_plain_question_is_told_as_chat() -> None:
    assert told() == {"model": "m", "max_tokens": 9, "messages": [USER]}


def test_a_stream_is_asked_to_tell_its_usage() -> None:
    chat = told(stream=True)
    assert (chat["stream"], chat["stream_options"]) == (True, {"include_usage": True})


def test_system_prompts_come_first() -> None:
    assert told(system="be kind")["messages"][0] == {"role": "system", "content": "be kind"}
    blocks = [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "b"}]
    assert told(system=blocks)["messages"][0] == {"role": "system", "content": "a\n\nb"}


def test_sampling_and_stops_are_told() -> None:
    chat = told(temperature=0.5, top_p=0.9, top_k=4, stop_sequences=["END"], metadata={"user_id": "u1"})
    assert {name: chat[name] for name in ("temperature", "top_p", "top_k", "stop", "user")} == {
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 4,
        "stop": ["END"],
        "user": "u1",
    }


def test_pictures_are_told() -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
    linked = {"type": "image", "source": {"type": "url", "url": "https://pictures/1.png"}}
    (message,) = told(messages=[{"role": "user", "content": [picture, linked, {"type": "text", "text": "what?"}]}])[
        "messages"
    ]
    assert message["content"] == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        {"type": "image_url", "image_url": {"url": "https://pictures/1.png"}},
        {"type": "text", "text": "what?"},
    ]


def test_tools_their_calls_and_their_results_are_told() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    use = {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Köln"}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "rain"}]}
    failed = {"type": "tool_result", "tool_use_id": "t2", "content": "no network", "is_error": True}
    chat = told(
        tools=[{"name": "weather", "description": "d", "input_schema": schema, "cache_control": {"type": "ephemeral"}}],
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
        messages=[
            USER,
            {"role": "assistant", "content": [{"type": "text", "text": "let me look"}, use, use | {"id": "t2"}]},
            {"role": "user", "content": [result, failed, {"type": "text", "text": "and now?"}]},
        ],
    )
    assert chat["tools"] == [
        {"type": "function", "function": {"name": "weather", "description": "d", "parameters": schema}}
    ]
    assert (chat["tool_choice"], chat["parallel_tool_calls"]) == ("required", False)
    _, assistant, first, second, last = chat["messages"]
    assert assistant["content"] == "let me look"
    assert [each["id"] for each in assistant["tool_calls"]] == ["t1", "t2"]
    assert json.loads(assistant["tool_calls"][0]["function"]["arguments"]) == {"city": "Köln"}
    assert first == {"role": "tool", "tool_call_id": "t1", "content": "rain"}
    assert json.loads(second["content"]) == {"is_error": True, "content": "no network"}
    assert last == {"role": "user", "content": "and now?"}


@pytest.mark.parametrize(
    ("choice", "chat"),
    [
        ({"type": "auto"}, "auto"),
        ({"type": "none"}, "none"),
        ({"type": "tool", "name": "f"}, {"type": "function", "function": {"name": "f"}}),
    ],
)
def test_tool_choices_are_told(choice: dict[str, str], chat: object) -> None:
    assert told(tool_choice=choice)["tool_choice"] == chat


def test_a_shape_of_the_answer_is_told() -> None:
    schema = {"type": "object"}
    chat = told(output_config={"format": {"type": "json_schema", "schema": schema}, "effort": "low"})
    assert chat["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "output", "schema": schema, "strict": True},
    }
    assert chat["reasoning_effort"] == "low"


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("max_tokens", {"max_tokens": None}),
    ("messages", {"messages": []}),
    ("messages", {"messages": [USER, {"role": "assistant", "content": "I say"}]}),
    ("messages.0.role", {"messages": [{"role": "system", "content": "x"}]}),
    ("messages.0.content", {"messages": [{"role": "user"}]}),
    ("messages.0.name", {"messages": [USER | {"name": "Ann"}]}),
    ("messages.0.content.0.type", {"messages": [{"role": "user", "content": [{"type": "document", "source": {}}]}]}),
    ("messages.0.content.0.type", {"messages": [{"role": "assistant", "content": [{"type": "thinking"}]}]}),
    (
        "messages.0.content.0.source.type",
        {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}]}]},
    ),
    ("thinking.type", {"thinking": {"type": "enabled", "budget_tokens": 2000}}),
    ("tools.0.type", {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
    ("tools.0.defer_loading", {"tools": [{"name": "f", "input_schema": {}, "defer_loading": True}]}),
    ("tool_choice.type", {"tool_choice": {"type": "sometimes"}}),
    ("output_config.effort", {"output_config": {"effort": "max"}}),
    ("mcp_servers", {"mcp_servers": [{"type": "url"}]}),
    ("container", {"container": "c1"}),
    ("context_management", {"context_management": {"edits": []}}),
    ("temperature", {"temperature": "hot"}),
    ("system", {"system": 3}),
    ("metadata.team", {"metadata": {"team": "a"}}),
]


@pytest.mark.parametrize(("param", "members"), REFUSED, ids=lambda given: given if isinstance(given, str) else "")
def test_what_cannot_be_told_is_refused_by_its_name(param: str, members: dict[str, Any]) -> None:
    with pytest.raises(CannotTranslate) as refused:
        told(**members)
    assert refused.value.param == param
    assert param in refused.value.message


def test_an_answer_is_told_as_a_message() -> None:
    message = json.loads(whole(call_to("messages"), chat_reply({"content": "Hi"})))
    assert message == {
        "id": "msg_abc1",
        "type": "message",
        "role": "assistant",
        "model": "up",
        "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 16,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 5,
            "output_tokens": 4,
        },
    }


@pytest.mark.parametrize(
    ("finish", "more", "reason"),
    [
        ("length", {}, "max_tokens"),
        ("tool_calls", {}, "tool_use"),
        ("content_filter", {}, "refusal"),
        ("stop", {"stop_reason": "END"}, "stop_sequence"),
        ("stop", {"stop_reason": 128009}, "end_turn"),
        ("something new", {}, "end_turn"),
    ],
)
def test_why_it_stopped_is_told(finish: str, more: dict[str, Any], reason: str) -> None:
    message = json.loads(whole(call_to("messages"), chat_reply({"content": "x"}, finish, **more)))
    assert message["stop_reason"] == reason
    assert message["stop_sequence"] == ("END" if reason == "stop_sequence" else None)


def test_tool_calls_are_told_as_uses() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": [1]}'}}
    empty = {"id": "c2", "type": "function", "function": {"name": "g", "arguments": ""}}
    message = json.loads(
        whole(call_to("messages"), chat_reply({"content": None, "tool_calls": [call, empty]}, "tool_calls"))
    )
    assert message["content"] == [
        {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": [1]}},
        {"type": "tool_use", "id": "c2", "name": "g", "input": {}},
    ]


@pytest.mark.parametrize("arguments", ["{", "[1]", '"x"'])
def test_arguments_that_are_no_object_are_an_unreadable_answer(arguments: str) -> None:
    call = {"id": "c1", "function": {"name": "f", "arguments": arguments}}
    with pytest.raises(UnreadableAnswer):
        whole(call_to("messages"), chat_reply({"tool_calls": [call]}, "tool_calls"))


@pytest.mark.parametrize("body", [b"{}", b"[]", b"{", b'{"choices":[{"index":0}]}', b'{"choices":3}'])
def test_an_answer_without_a_message_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableAnswer):
        whole(call_to("messages"), body)


def through(*frames: bytes) -> list[dict[str, Any]]:
    stream = Stream(call_to("messages", stream=True))
    return events(b"".join(stream.feed(each) for each in frames) + stream.finish())


def test_a_stream_of_text_is_told_as_events() -> None:
    found = through(
        delta(role="assistant", content=""), delta(content="Hel"), delta(content="lo"), delta("stop"), USAGE
    )
    assert [each["type"] for each in found] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert "".join(each["delta"]["text"] for each in found if each["type"] == "content_block_delta") == "Hello"
    assert found[0]["message"]["usage"]["input_tokens"] == 0
    assert found[-2]["usage"] | {} == {
        "input_tokens": 21,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 4,
    }
    assert found[-2]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}


def blocks(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Each block's name or type, with what its deltas add up to; one is open at a time."""
    told: list[tuple[str, str]] = []
    is_open = False
    for each in found:
        if each["type"] == "content_block_start":
            assert not is_open
            assert each["index"] == len(told)
            is_open = True
            block = each["content_block"]
            told.append((block.get("name") or block["type"], ""))
        elif each["type"] == "content_block_delta":
            assert each["index"] == len(told) - 1
            piece = each["delta"].get("text") or each["delta"].get("partial_json")
            told[-1] = (told[-1][0], told[-1][1] + piece)
        elif each["type"] == "content_block_stop":
            assert is_open
            is_open = False
    assert not is_open
    return told


def test_tool_calls_that_are_told_together_come_out_one_after_the_other() -> None:
    found = through(
        delta(content="look"),
        tool(0, "", "f", "c0"),
        tool(0, '{"a"'),
        tool(1, '{"b', "g", "c1"),
        tool(0, ":1}"),
        tool(1, '":2}'),
        delta("tool_calls"),
        USAGE,
    )
    assert blocks(found) == [("text", "look"), ("f", '{"a":1}'), ("g", '{"b":2}')]
    assert found[-2]["delta"]["stop_reason"] == "tool_use"


def test_an_error_of_the_models_server_ends_the_stream_without_a_good_end() -> None:
    stream = Stream(call_to("messages", stream=True))
    out = stream.feed(delta(content="x")) + stream.feed(frame({"error": {"message": "oom", "type": "server_error"}}))
    assert stream.failed
    assert stream.finish() == b""
    last = events(out)[-1]
    assert last == {"type": "error", "error": {"type": "server_error", "message": "oom"}}


def test_a_stream_that_said_nothing_is_an_empty_message() -> None:
    assert [each["type"] for each in through(USAGE)] == ["message_start", "message_delta", "message_stop"]


def test_garbage_in_a_stream_is_unreadable() -> None:
    with pytest.raises(UnreadableAnswer):
        Stream(call_to("messages")).feed(b"data: {nonsense\n\n")
