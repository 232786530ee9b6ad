"""OpenAI's responses in front of a model that speaks chat: without state, told faithfully or refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from appliance.gateway.dialects.responses_answer import Stream, whole
from appliance.gateway.dialects.responses_request import as_chat
from appliance.providers.call import CannotTranslate, UnreadableAnswer
from tests.appliance.gateway.dialects.calls import USAGE, call_to, chat_reply, decoded, delta, events, frame, tool

USER = {"role": "user", "content": "hello"}


def told(**members: Any) -> dict[str, Any]:
    return decoded(as_chat(call_to("responses", **({"input": "hello"} | members))))


def test_a_plain_question_is_told_as_chat() -> None:
    assert told() == {"model": "m", "messages": [USER]}


def test_instructions_and_settings_are_told() -> None:
    chat = told(instructions="be kind", max_output_tokens=7, temperature=0.1, top_p=0.2, user="u", store=False)
    assert chat == {
        "model": "m",
        "messages": [{"role": "system", "content": "be kind"}, USER],
        "max_tokens": 7,
        "temperature": 0.1,
        "top_p": 0.2,
        "user": "u",
    }


def test_a_conversation_is_told() -> None:
    picture = {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "low"}
    output = {"type": "output_text", "text": "Hi", "annotations": []}
    chat = told(
        input=[
            {"role": "developer", "content": "be brief"},
            {"role": "user", "content": [{"type": "input_text", "text": "what?"}, picture]},
            {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [output]},
            {
                "type": "function_call",
                "id": "fc_1",
                "call_id": "c1",
                "name": "f",
                "arguments": "{}",
                "status": "completed",
            },
            {"type": "function_call", "call_id": "c2", "name": "g", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "1"},
            {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "2"}]},
        ]
    )
    calls = [
        {"id": n, "type": "function", "function": {"name": f, "arguments": "{}"}} for n, f in (("c1", "f"), ("c2", "g"))
    ]
    assert chat["messages"] == [
        {"role": "system", "content": "be brief"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "what?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}},
            ],
        },
        {"role": "assistant", "content": "Hi", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
        {"role": "tool", "tool_call_id": "c2", "content": "2"},
    ]


def test_tools_shapes_and_effort_are_told() -> None:
    function = {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}
    chat = told(
        tools=[{"type": "function", **function}],
        tool_choice={"type": "function", "name": "f"},
        parallel_tool_calls=False,
        text={"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}},
        reasoning={"effort": "low", "summary": "auto"},
    )
    assert chat["tools"] == [{"type": "function", "function": function}]
    assert chat["tool_choice"] == {"type": "function", "function": {"name": "f"}}
    assert chat["parallel_tool_calls"] is False
    schema = {"name": "n", "schema": {"type": "object"}, "strict": True}
    assert chat["response_format"] == {"type": "json_schema", "json_schema": schema}
    assert chat["reasoning_effort"] == "low"


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("previous_response_id", {"previous_response_id": "resp_1"}),
    ("conversation", {"conversation": "conv_1"}),
    ("prompt", {"prompt": {"id": "pmpt_1"}}),
    ("store", {"store": True}),
    ("background", {"background": True}),
    ("truncation", {"truncation": "auto"}),
    ("include.0", {"include": ["file_search_call.results"]}),
    ("max_tool_calls", {"max_tool_calls": 3}),
    ("tools.0.type", {"tools": [{"type": "web_search"}]}),
    ("tools.1.type", {"tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "g"}]}),
    ("tool_choice.type", {"tool_choice": {"type": "file_search"}}),
    ("input.0.type", {"input": [{"type": "item_reference", "id": "msg_1"}]}),
    ("input.0.type", {"input": [{"type": "reasoning", "summary": []}]}),
    ("input.0.content.0.file_data", {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]}),
    (
        "input.0.content.0.image_url",
        {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
    ),
    ("input", {"input": None}),
    ("input", {"input": []}),
    ("reasoning.summary", {"reasoning": {"summary": "detailed"}}),
    ("text.format.type", {"text": {"format": {"type": "grammar"}}}),
    ("stream_options.include_obfuscation", {"stream_options": {"include_obfuscation": True}}),
    ("top_logprobs", {"top_logprobs": 3}),
    ("something_new", {"something_new": 1}),
]


@pytest.mark.parametrize(("param", "members"), REFUSED, ids=lambda given: given if isinstance(given, str) else "")
def test_what_cannot_be_told_is_refused_by_its_name(param: str, members: dict[str, Any]) -> None:
    with pytest.raises(CannotTranslate) as refused:
        told(**members)
    assert refused.value.param == param


def test_an_answer_is_told_as_a_response() -> None:
    response = Response.model_validate_json(
        whole(call_to("responses", temperature=0.5, instructions="x"), chat_reply({"content": "Hi"})), strict=False
    )
    assert (response.id, response.status, response.output_text) == ("resp_abc1", "completed", "Hi")
    assert (response.temperature, response.instructions) == (0.5, "x")
    assert response.model_dump()["store"] is False
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (21, 4, 25)
    assert response.usage.input_tokens_details.cached_tokens == 5
    assert response.usage.output_tokens_details.reasoning_tokens == 2


@pytest.mark.parametrize(("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
def test_an_answer_cut_short_is_incomplete(finish: str, reason: str) -> None:
    response = json.loads(whole(call_to("responses"), chat_reply({"content": "Hi"}, finish)))
    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": reason})


def test_tool_calls_and_refusals_are_items() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    response = json.loads(whole(call_to("responses"), chat_reply({"tool_calls": [call]}, "tool_calls")))
    (item,) = response["output"]
    assert (item["type"], item["call_id"], item["name"], item["arguments"]) == ("function_call", "c1", "f", '{"a":1}')
    refused = json.loads(whole(call_to("responses"), chat_reply({"content": None, "refusal": "no"})))
    assert refused["output"][0]["content"] == [{"type": "refusal", "refusal": "no"}]


def test_an_answer_without_a_message_is_unreadable() -> None:
    with pytest.raises(UnreadableAnswer):
        whole(call_to("responses"), b'{"choices":[]}')


def through(*frames: bytes) -> list[dict[str, Any]]:
    stream = Stream(call_to("responses", stream=True))
    found = events(b"".join(stream.feed(each) for each in frames) + stream.finish())
    assert [each["sequence_number"] for each in found] == list(range(len(found)))
    for each in found:
        TypeAdapter(ResponseStreamEvent).validate_python(each)
    return found


def test_a_stream_of_text_is_told_as_events() -> None:
    found = through(
        delta(role="assistant", content=""), delta(content="Hel"), delta(content="lo"), delta("stop"), USAGE
    )
    assert [each["type"].removeprefix("response.") for each in found] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    response = Response.model_validate(found[-1]["response"])
    assert response.output_text == "Hello"
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens) == (21, 4)


def test_tools_told_together_and_a_refusal_are_items_of_their_own() -> None:
    found = through(
        delta(refusal="no"),
        tool(0, '{"a"', "f", "c0"),
        tool(1, '{"b', "g", "c1"),
        tool(0, ":1}"),
        tool(1, '":2}'),
        delta("tool_calls"),
        USAGE,
    )
    output = found[-1]["response"]["output"]
    assert [(each["type"], each.get("name"), each.get("arguments")) for each in output] == [
        ("message", None, None),
        ("function_call", "f", '{"a":1}'),
        ("function_call", "g", '{"b":2}'),
    ]
    assert output[0]["content"] == [{"type": "refusal", "refusal": "no"}]
    done = [each for each in found if each["type"] == "response.function_call_arguments.done"]
    assert [each["arguments"] for each in done] == ['{"a":1}', '{"b":2}']


def test_an_error_of_the_models_server_ends_the_stream_without_a_good_end() -> None:
    stream = Stream(call_to("responses", stream=True))
    out = stream.feed(delta(content="x")) + stream.feed(frame({"error": "out of memory"}))
    assert stream.finish() == b""
    assert events(out)[-1]["message"] == "out of memory"
