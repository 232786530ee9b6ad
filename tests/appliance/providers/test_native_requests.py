"""What goes up to native providers: the app's own request in their words, and what has none refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.gateway.request import parse_call
from appliance.providers.call import CannotTranslate
from appliance.providers.chat_request import HARMLESS, NEUTRAL
from tests.appliance.providers.natives import BY_NAME, NATIVES, Native
from tests.appliance.providers.recorded import ARGUMENTS, HISTORY, PNG, SCHEMA, TEXT, TOOL, TOOL_FUNCTION
from tests.appliance.providers.sent import body_of

each_native = pytest.mark.parametrize("native", NATIVES, ids=lambda native: native.name)
JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}}
USER = {"role": "user", "content": "hi"}


def refused(native: Native, **body: Any) -> str:
    with pytest.raises(CannotTranslate) as caught:
        native.sent(**body)
    assert caught.value.param in caught.value.message or caught.value.message
    return caught.value.param


def picture(url: str, **more: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url, **more}}]}]


def test_a_conversation_with_everything_in_anthropics_words() -> None:
    body = BY_NAME["anthropic"].body(
        messages=HISTORY,
        tools=[TOOL],
        tool_choice="required",
        parallel_tool_calls=False,
        max_completion_tokens=50,
        temperature=0.5,
        top_p=1,
        stop=["END"],
        response_format=JSON_SCHEMA,
        stream=True,
    )
    results = [
        {"type": "tool_result", "tool_use_id": "call_a", "content": [{"type": "text", "text": '{"sky":"grey"}'}]},
        {"type": "tool_result", "tool_use_id": "call_b", "content": [{"type": "text", "text": "no idea"}]},
    ]
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    calls = [
        {"type": "tool_use", "id": "call_a", "name": "weather", "input": json.loads(ARGUMENTS)},
        {"type": "tool_use", "id": "call_b", "name": "weather", "input": {}},
    ]
    assert body == {
        "model": "org/model:1",
        "max_tokens": 50,
        "system": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "And kind."}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "What is this?"}, image]},
            {"role": "assistant", "content": calls},
            {"role": "user", "content": [*results, {"type": "text", "text": "And now?"}]},
        ],
        "tools": [{"name": "weather", "description": "Tells it", "input_schema": SCHEMA}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        "temperature": 0.5,
        "top_p": 1,
        "stop_sequences": ["END"],
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
        "stream": True,
    }


def test_a_conversation_with_everything_in_bedrocks_words_and_botocores_model_agrees() -> None:
    body = BY_NAME["bedrock"].body(
        messages=HISTORY,
        tools=[TOOL],
        tool_choice={"type": "function", "function": {"name": "weather"}},
        max_tokens=50,
        temperature=0.5,
        stop="END",
        response_format=JSON_SCHEMA,
    )
    assert [each["role"] for each in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][0]["content"][1] == {"image": {"format": "png", "source": {"bytes": PNG}}}
    assert body["messages"][1]["content"][0]["toolUse"]["input"] == json.loads(ARGUMENTS)
    assert [list(each) for each in body["messages"][2]["content"]] == [["toolResult"], ["toolResult"], ["text"]]
    assert body["system"] == [{"text": "Be brief."}, {"text": "And kind."}]
    assert body["inferenceConfig"] == {"maxTokens": 50, "temperature": 0.5, "stopSequences": ["END"]}
    assert body["toolConfig"]["toolChoice"] == {"tool": {"name": "weather"}}
    assert json.loads(body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"]) == SCHEMA
    agrees_with_aws(body)


def agrees_with_aws(body: dict[str, Any]) -> None:
    """Against AWS's own description of the API, which comes with botocore."""
    from botocore.loaders import Loader
    from botocore.model import ServiceModel
    from botocore.validate import ParamValidator

    model = ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"))
    shape = model.operation_model("Converse").input_shape
    report = ParamValidator().validate({"modelId": "m", **body}, shape)
    assert not report.has_errors(), report.generate_report()


def test_a_conversation_with_everything_in_geminis_words() -> None:
    tools = [{"type": "function", "function": {**TOOL_FUNCTION, "strict": True}}]
    history = json.loads(json.dumps(HISTORY))
    history[3]["tool_calls"][0]["extra_content"] = {"google": {"thought_signature": "sig=="}}
    body = BY_NAME["gemini"].body(
        messages=history,
        tools=tools,
        tool_choice="auto",
        max_tokens=50,
        n=2,
        seed=7,
        top_k=3,
        presence_penalty=0.5,
        reasoning_effort="low",
        response_format=JSON_SCHEMA,
        stop=["END"],
    )
    assert [each["role"] for each in body["contents"]] == ["user", "model", "user"]
    assert body["contents"][0]["parts"][1] == {"inlineData": {"mimeType": "image/png", "data": PNG}}
    calls = body["contents"][1]["parts"]
    assert calls[0] == {
        "functionCall": {"name": "weather", "args": json.loads(ARGUMENTS)},
        "thoughtSignature": "sig==",
    }
    assert body["contents"][2]["parts"] == [
        {"functionResponse": {"name": "weather", "response": {"sky": "grey"}}},
        {"functionResponse": {"name": "weather", "response": {"output": "no idea"}}},
        {"text": "And now?"},
    ]
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}
    (declared,) = body["tools"][0]["functionDeclarations"]
    assert declared == {"name": "weather", "description": "Tells it", "parametersJsonSchema": SCHEMA}
    assert body["generationConfig"] == {
        "maxOutputTokens": 50,
        "candidateCount": 2,
        "seed": 7,
        "topK": 3,
        "presencePenalty": 0.5,
        "thinkingConfig": {"thinkingBudget": 1024},
        "responseMimeType": "application/json",
        "responseJsonSchema": SCHEMA,
        "stopSequences": ["END"],
    }


def test_where_calls_go_and_how_they_are_authorised() -> None:
    anthropic, gemini = BY_NAME["anthropic"].sent(), BY_NAME["gemini"].sent(stream=True)
    assert anthropic.url == "https://up.example/v1/messages"
    assert dict(anthropic.headers)["x-api-key"] == "sk-ant-1"
    assert dict(anthropic.headers)["anthropic-version"] == "2023-06-01"
    assert "authorization" not in dict(anthropic.headers)
    assert gemini.url == "https://up.example/v1/models/org%2Fmodel%3A1:streamGenerateContent?alt=sse"
    assert BY_NAME["gemini"].sent().url.endswith("/models/org%2Fmodel%3A1:generateContent")
    assert dict(gemini.headers)["x-goog-api-key"] == "AIza-1"
    bedrock = BY_NAME["bedrock"]
    assert bedrock.sent().url == "https://up.example/v1/model/org%2Fmodel%3A1/converse"
    assert bedrock.sent(stream=True).url.endswith("/converse-stream")
    assert dict(bedrock.sent().headers)["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE")


def test_anthropic_is_told_a_limit_where_the_app_names_none() -> None:
    assert BY_NAME["anthropic"].body()["max_tokens"] == 4096
    assert "inferenceConfig" not in BY_NAME["bedrock"].body()


@each_native
@pytest.mark.parametrize("name", HARMLESS)
def test_what_says_nothing_to_the_model_is_dropped(native: Native, name: str) -> None:
    assert native.body(**{name: {"a": "b"} if name == "metadata" else "x"} if name != "stream_options" else {}) == (
        native.body()
    )


@each_native
def test_what_is_at_its_neutral_value_is_dropped(native: Native) -> None:
    assert native.body(**{name: json.loads(values[0]) for name, values in NEUTRAL.items()}) == native.body()
    assert native.body(seed=None, tools=None, tool_choice=None, stop=None, logprobs=None) == native.body()


@each_native
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x_unknown", 1),
        ("logprobs", True),
        ("logit_bias", {"1": 2}),
        ("store", True),
        ("functions", []),
        ("audio", {}),
        ("prediction", {}),
        ("web_search_options", {}),
        ("service_tier", "flex"),
        ("verbosity", "low"),
        ("temperature", "hot"),
        ("max_tokens", 1.5),
        ("messages", []),
        ("messages", "hi"),
        ("messages", [{"role": "system", "content": "x"}]),
    ],
)
def test_what_cannot_be_told_is_refused_by_name(native: Native, name: str, value: object) -> None:
    assert refused(native, **{name: value}) == name


@pytest.mark.parametrize(
    ("name", "body", "param"),
    [
        ("anthropic", {"n": 2}, "n"),
        ("anthropic", {"seed": 1}, "seed"),
        ("anthropic", {"reasoning_effort": "low"}, "reasoning_effort"),
        ("anthropic", {"presence_penalty": 1}, "presence_penalty"),
        ("anthropic", {"response_format": {"type": "json_object"}}, "response_format"),
        ("anthropic", {"messages": picture("http://x.example/a.png")}, "messages[0].content[0].image_url.url"),
        ("anthropic", {"messages": picture("data:image/tiff;base64,AA")}, "messages[0].content[0].image_url.url"),
        ("bedrock", {"top_k": 2}, "top_k"),
        ("bedrock", {"parallel_tool_calls": False}, "parallel_tool_calls"),
        ("bedrock", {"messages": HISTORY, "tools": [TOOL], "tool_choice": "none"}, "tool_choice"),
        ("bedrock", {"messages": picture("https://x.example/a.png")}, "messages[0].content[0].image_url.url"),
        ("gemini", {"parallel_tool_calls": False}, "parallel_tool_calls"),
        ("gemini", {"reasoning_effort": "huge"}, "reasoning_effort"),
        ("gemini", {"messages": picture("https://x.example/a.png")}, "messages[0].content[0].image_url.url"),
        ("gemini", {"messages": picture("gs://bucket/a.png")}, "messages[0].content[0].image_url.url"),
    ],
)
def test_what_this_provider_cannot_be_told_is_refused_by_name(name: str, body: dict[str, Any], param: str) -> None:
    assert refused(BY_NAME[name], **body) == param


@each_native
@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([USER, {"role": "system", "content": "x"}], "messages[1]"),
        ([{**USER, "name": "alice"}], "messages[0].name"),
        ([{"role": "robot", "content": "x"}], "messages[0].role"),
        ([{"role": "user"}], "messages[0].content"),
        ([None], "messages[0]"),
        ([{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}], "messages[0].content[0].type"),
        ([{"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {}}]}], None),
        (picture("data:image/png,x"), "messages[0].content[0].image_url.url"),
        (picture(f"data:image/png;base64,{PNG}", detail="high"), "messages[0].content[0].image_url.detail"),
        ([USER, {"role": "assistant", "content": None}], "messages[1].content"),
        ([USER, {"role": "assistant", "content": "a", "audio": {"id": "x"}}], "messages[1].audio"),
        ([USER, {"role": "tool", "tool_call_id": "c", "content": "x"}], "messages[1].tool_call_id"),
        (
            [USER, {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "[1]"}}]}],
            "messages[1].tool_calls[0].function.arguments",
        ),
        (
            [USER, {"role": "assistant", "tool_calls": [{"id": "c", "type": "custom"}]}],
            "messages[1].tool_calls[0].type",
        ),
    ],
)
def test_a_message_that_cannot_be_told_is_refused_at_its_place(
    native: Native, messages: list[Any], param: str | None
) -> None:
    assert refused(native, messages=messages) == (param or "messages[0].content[0].cache_control")


@each_native
@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "function": {"name": "f", "x": 1}}]}, "tools[0].function.x"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]},
            "tools[0].function.parameters",
        ),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice.type"),
        ({"response_format": {"type": "grammar"}}, "response_format.type"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
            "response_format.json_schema.schema",
        ),
        ({"stop": 5}, "stop"),
    ],
)
def test_a_tool_or_format_that_cannot_be_told_is_refused_at_its_place(
    native: Native, body: dict[str, Any], param: str
) -> None:
    assert refused(native, **body) == param


@pytest.mark.parametrize(
    ("choice", "anthropic", "bedrock", "gemini"),
    [
        ("auto", {"type": "auto"}, {"auto": {}}, {"mode": "AUTO"}),
        ("none", {"type": "none"}, None, {"mode": "NONE"}),
        ("required", {"type": "any"}, {"any": {}}, {"mode": "ANY"}),
        (
            {"type": "function", "function": {"name": "weather"}},
            {"type": "tool", "name": "weather"},
            {"tool": {"name": "weather"}},
            {"mode": "ANY", "allowedFunctionNames": ["weather"]},
        ),
    ],
)
def test_each_choice_of_tools_has_its_word(choice: Any, anthropic: Any, bedrock: Any, gemini: Any) -> None:
    bodies = {native.name: native.body(tools=[TOOL], tool_choice=choice) for native in NATIVES}
    assert bodies["anthropic"]["tool_choice"] == anthropic
    assert bodies["bedrock"].get("toolConfig", {}).get("toolChoice") == bedrock
    assert bodies["gemini"]["toolConfig"]["functionCallingConfig"] == gemini


def test_anthropic_fetches_a_picture_itself_and_the_gateway_never() -> None:
    (message,) = BY_NAME["anthropic"].body(messages=picture("https://x.example/a.png"))["messages"]
    assert message["content"] == [{"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}}]


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


@each_native
@given(arguments=st.dictionaries(st.text(), values, max_size=4))
def test_a_tools_arguments_come_back_as_they_went(native: Native, arguments: dict[str, Any]) -> None:
    try:
        text = json.dumps(arguments, ensure_ascii=False)
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(arguments)
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": text}}
    sent = native.sent(messages=[USER, {"role": "assistant", "content": TEXT, "tool_calls": [call]}])
    assert text.encode() in body_of(sent)


@each_native
@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"a","messages":[{"role":"user","content":"\xff"}]}',
        b'{"model":"a","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f",'
        b'"parameters":{"a":"\xff"}}}]}',
        b'{"model":"a","messages":[{"role":"user","content":"hi"}],"response_format":{"type":"json_schema",'
        b'"json_schema":{"name":"n","schema":{"a":"\xff"}}}}',
    ],
)
def test_bytes_that_are_no_text_are_refused_and_no_fault(native: Native, body: bytes) -> None:
    with pytest.raises(CannotTranslate):
        native.chat.request(parse_call("chat/completions", body), native.deployment(), native.key)
